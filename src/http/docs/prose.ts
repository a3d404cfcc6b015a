import { html } from "hono/html";

/** Escaped HTML. */
export type Html = ReturnType<typeof html>;

/** A description's CommonMark, as far as ours goes: paragraphs, `- ` lists and `code`. */
export function prose(text = ""): Html {
  const blocks = text === "" ? [] : text.split("\n\n");
  return html`${
    blocks.map((block) =>
      block.startsWith("- ")
        ? html`<ul>${block.slice(2).split("\n- ").map((item) => html`<li>${inline(item)}</li>`)}</ul>`
        : html`<p>${inline(block)}</p>`
    )
  }`;
}

/** One line with `code` in it. */
export function inline(text: string): Html {
  const pieces = text.split("`").map((piece, index) =>
    index % 2 === 0 ? piece : html`<code>${piece}</code>`
  );
  return html`${pieces}`;
}
