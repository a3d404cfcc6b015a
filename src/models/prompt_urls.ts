import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { RefusedUrls } from "../domain/policies.ts";
import { isRefusedUrl } from "../net/public_url.ts";

/** The prompt with a line of text for each file whose URL the provider may not be asked to fetch. */
export function withoutRefusedUrls(
  prompt: LanguageModelV4Prompt,
  refused: RefusedUrls,
): LanguageModelV4Prompt {
  return prompt.map((message) => {
    if (message.role !== "user") return message;
    const content = message.content.map((part) =>
      part.type === "file" && part.data.type === "url" && isRefusedUrl(part.data.url, refused)
        ? { type: "text" as const, text: "[A file that is not at a public address.]" }
        : part
    );
    return { ...message, content };
  });
}
