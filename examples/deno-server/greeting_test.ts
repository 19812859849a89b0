import { strictEqual } from "node:assert";
import { greeting } from "./greeting.ts";

Deno.test("greets by name", () => strictEqual(greeting("Ada"), "Hello, Ada!"));

Deno.test("greets the world without a name", () => strictEqual(greeting(null), "Hello, world!"));
