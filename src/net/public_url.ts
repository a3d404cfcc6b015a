/** Where URLs point, by their spelling alone: no name is looked up. */
import type { RefusedUrls } from "../domain/policies.ts";

/** An IPv4 network: its address, and the length of its prefix. */
type Network = readonly [address: string, prefix: number];

const LOCAL: readonly Network[] = [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  // Where clouds keep the credentials of their machines.
  ["169.254.0.0", 16],
];

const PRIVATE: readonly Network[] = [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
];

const LOCAL_NAME =
  /(^|\.)(localhost|localdomain)$|^(ip6-)?(localhost|loopback)$|^metadata(\.google\.internal)?$/;
const PRIVATE_NAME = /^[^.]+$|\.(internal|local|lan|intranet|home\.arpa)$/;

/** True if a URL is no http(s) URL, or points to where it may not, however its host is written. */
export function isRefusedUrl(url: string | URL, refused: RefusedUrls): boolean {
  if (refused === "none") return false;
  const parsed = URL.parse(String(url));
  if (!parsed || !/^https?:$/.test(parsed.protocol)) return true;
  // Parsing has made decimal, octal and hexadecimal addresses the usual ones.
  let host = parsed.hostname;
  while (host.endsWith(".")) host = host.slice(0, -1);
  const isPrivate = refused === "private";
  if (host.startsWith("[")) return isRefusedV6(groupsOf(host.slice(1, -1)), isPrivate);
  if (/^[\d.]+$/.test(host)) return isRefusedV4(numberOf(host), isPrivate);
  return LOCAL_NAME.test(host) || (isPrivate && PRIVATE_NAME.test(host));
}

function isRefusedV4(address: number, isPrivate: boolean): boolean {
  const networks = isPrivate ? [...LOCAL, ...PRIVATE] : LOCAL;
  return networks.some(([network, prefix]) =>
    (address >>> (32 - prefix)) === (numberOf(network) >>> (32 - prefix))
  );
}

function isRefusedV6(groups: number[], isPrivate: boolean): boolean {
  const [first = 0, second = 0] = groups;
  if (groups.slice(0, 7).every((group) => group === 0) && groups[7]! <= 1) return true;
  if ((first & 0xffc0) === 0xfe80) return true;
  if (isPrivate && ((first & 0xfe00) === 0xfc00 || (first & 0xff00) === 0xff00)) return true;
  const embedded = embeddedV4(groups, first, second);
  return embedded !== undefined && isRefusedV4(embedded, isPrivate);
}

/** The IPv4 address in an IPv6 one: mapped, compatible, translated (NAT64) or tunnelled (6to4). */
function embeddedV4(groups: number[], first: number, second: number): number | undefined {
  const [high, low] = first === 0x2002 ? [second, groups[2]!] : [groups[6]!, groups[7]!];
  const isZero = groups.slice(0, 4).every((group) => group === 0);
  const isTranslated = first === 0x64 && second === 0xff9b;
  return isZero || isTranslated || first === 0x2002 ? high * 0x10000 + low : undefined;
}

/** The eight groups of an address as URLs have it. */
function groupsOf(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const numbers = (text: string) => text === "" ? [] : text.split(":").map((n) => parseInt(n, 16));
  const [before, after] = [numbers(head), numbers(tail ?? "")];
  return [...before, ...Array(8 - before.length - after.length).fill(0), ...after];
}

function numberOf(address: string): number {
  return address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
}
