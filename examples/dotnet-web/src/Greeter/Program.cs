var app = WebApplication.CreateBuilder(args).Build();

app.MapGet("/", () => "GET /greeting?name=NAME\n");
app.MapGet("/greeting", (string? name) => $"Hello, {(string.IsNullOrWhiteSpace(name) ? "world" : name.Trim())}!\n");

app.Run();
