import { html } from "hono/html";

/** Escaped HTML. */
export type Html = ReturnType<typeof html>;

/** A description's CommonMark, as far as ours goes: paragraphs, `- ` lists and `code`. */
export function prose(text = ""): Html[] {
  const blocks = text === "" ? [] : text.split("\n\n");
  return blocks.map((block) => {
    if (!block.startsWith("- ")) return html`<p>${inline(block)}</p>`;
    const items = block.slice(2).split("\n- ").map((item) => html`<li>${inline(item)}</li>`);
    return html`<ul>${items}</ul>`;
  });
}

/** One line with `code` in it. */
export function inline(text: string): Html {
  const pieces = text.split("`").map((piece, index) =>
    index % 2 === 0 ? piece : html`<code>${piece}</code>`
  );
  return html`${pieces}`;
}

/** A word on the side. */
export function note(text: string): Html {
  return html`<span class="note">${text}</span>`;
}

/** Lines to copy. */
export function pre(text: string): Html {
  return html`<pre tabindex="0"><code>${text}</code></pre>`;
}

/** A list of things, with what is to be said of each and what each is made of. */
export function rows(items: [thing: Html, said: Html | Html[], madeOf?: Html[]][]): Html {
  const divs = items.map(([thing, said, madeOf = []]) =>
    html`
      <div>
        <dt>${thing}</dt>
        <dd>${said}</dd>
        ${madeOf.length > 0 ? html`<dd class="inside">${madeOf}</dd>` : ""}
      </div>
    `
  );
  return html`<dl class="fields">${divs}</dl>`;
}
