/**
 * The README's table of settings, out of the one table that Parley itself goes by.
 *
 *     deno run -A tests/e2e/settings_table.ts
 *
 * writes it into the README.
 */
import { type Setting, SETTINGS } from "../../src/config/settings.ts";
import { README } from "./readme.ts";

/** The rows: key, variable, flag, default, meaning. */
export function settingsRows(): string[][] {
  return SETTINGS.map((setting: Setting) => [
    setting.key,
    setting.env,
    setting.flag === undefined ? "" : `--${setting.flag}`,
    setting.default === undefined ? "" : String(setting.default),
    `${setting.description} Expected: ${setting.expected}.`,
  ]);
}

function settingsTable(): string {
  const code = (text: string) => text === "" ? "" : `\`${text}\``;
  const rows = settingsRows().map((
    [key = "", env = "", flag = "", fallback = "", meaning = ""],
  ) => [
    ...[key, env, flag, fallback].map(code),
    meaning,
  ]);
  return [["Key", "Variable", "Flag", "Default", "Meaning"], Array(5).fill("---"), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");
}

if (import.meta.main) {
  const readme = await Deno.readTextFile(README);
  const place = /(<!-- settings:.*-->\n)[\s\S]*?(<!-- \/settings -->)/;
  if (!place.test(readme)) throw new Error("The README has no place for the settings.");
  const written = readme.replace(place, (_, from, to) => `${from}\n${settingsTable()}\n\n${to}`);
  await Deno.writeTextFile(README, written);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", README] }).output();
}
