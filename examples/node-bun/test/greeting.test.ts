import { expect, test } from "bun:test";
import { greeting } from "../src/greeting";

test("greets by name", () => {
  expect(greeting("Ada")).toBe("Hello, Ada!");
});

test("greets the world without a name", () => {
  expect(greeting(null)).toBe("Hello, world!");
});
