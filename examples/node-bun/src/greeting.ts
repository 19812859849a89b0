import isOdd from "is-odd";

/** The sentence for a name; one with an odd number of letters gets a mark more. */
export function greeting(name: string | null): string {
  const who = name?.trim() || "world";
  return `Hello, ${who}${isOdd(who.length) ? "!" : "."}`;
}
