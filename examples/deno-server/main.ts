import { greeting } from "./greeting.ts";

Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8000), hostname: "0.0.0.0" }, (request) => {
  const url = new URL(request.url);
  if (url.pathname === "/") return new Response("GET /greeting?name=NAME\n");
  if (url.pathname === "/greeting") return new Response(`${greeting(url.searchParams.get("name"))}\n`);
  return new Response("there is nothing here\n", { status: 404 });
});
