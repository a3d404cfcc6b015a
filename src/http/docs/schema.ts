import { html } from "hono/html";
import type { Header, Schema } from "./document.ts";
import { type Html, inline, note, prose, rows } from "./prose.ts";

/** What a schema takes, in a few words: `array of Chat`, `string or null`. */
export function typeName(schema: Schema): string {
  const { title, type, items, format } = schema;
  const options = schema.properties ? undefined : schema.anyOf ?? schema.oneOf;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (options) return [...new Set(options.map(typeName))].join(" or ");
  if (items && type === "array") {
    const name = typeName(items);
    return name === "anything" ? "array" : `array of ${/ or /.test(name) ? `(${name})` : name}`;
  }
  if (title !== undefined) return title;
  const types = [type ?? []].flat();
  return types.length === 0 ? "anything" : types.map((name) => format ?? name).join(" or ");
}

/** The named values of an object, a header list or a parameter list. */
export function fields(entries: [name: string, field: Field][]): Html {
  return rows(entries.map(([name, { schema, required, description, in: where }]) => [
    html`
      <code>${name}</code>
      ${note(where === undefined ? typeName(schema) : `${typeName(schema)}, ${where}`)}
      ${required ? html`<span class="required">required</span>` : ""}
    `,
    html`${prose(description)} ${bounds(schema)}`,
    inside(schema),
  ]));
}

/** The fields of the objects in a schema, in the open; with their names where there are several. */
export function schemaFields(schema: Schema): Html[] {
  const objects = objectsOf(schema);
  return objects.map((object) =>
    objects.length === 1 ? fields(properties(object)) : html`
      <h5>${object.title}</h5>
      ${prose(object.description)} ${fields(properties(object))}
    `
  );
}

interface Field extends Header {
  /** Where a parameter is. */
  in?: string;
}

/** The objects in a field's schema, folded up. */
function inside(schema: Schema): Html[] {
  const objects = objectsOf(schema);
  return objects.map((object) =>
    html`
      <details>
        <summary>${object.title ?? "Fields"}</summary>
        ${objects.length > 1 ? prose(object.description) : ""} ${fields(properties(object))}
      </details>
    `
  );
}

function objectsOf(schema: Schema): Schema[] {
  if (schema.properties) return [schema];
  if (schema.items) return objectsOf(schema.items);
  return (schema.anyOf ?? schema.oneOf ?? []).flatMap(objectsOf);
}

function properties({ properties = {}, required = [] }: Schema): [string, Field][] {
  return Object.entries(properties).map(([name, schema]) => [name, {
    schema,
    required: required.includes(name),
    ...(schema.description !== undefined && { description: schema.description }),
  }]);
}

/** The values or lengths that a schema allows. */
function bounds(schema: Schema): Html | "" {
  const options = (schema.anyOf ?? []).filter(({ type }) => type !== "null");
  const { enum: values, minimum, maximum, minLength, maxLength, maxItems } = options.length === 1
    ? options[0]!
    : schema;
  const text = values
    ? `One of ${values.map((value) => `\`${JSON.stringify(value)}\``).join(", ")}`
    : range(minimum, maximum, "") ?? range(minLength, maxLength, " characters") ??
      range(undefined, maxItems, " items");
  return text === undefined ? "" : html`<p class="bounds">${inline(text)}</p>`;
}

function range(
  least: number | undefined,
  most: number | undefined,
  of: string,
): string | undefined {
  if (most !== undefined) {
    return least === undefined ? `At most ${most}${of}` : `${least} to ${most}${of}`;
  }
  return least === undefined ? undefined : `At least ${least}${of}`;
}
