package dev.pipelinex.rounds;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** Answers at the port that PORT names, or at 8080. */
public final class Server {
  private Server() {}

  public static void main(String[] arguments) throws IOException {
    String port = System.getenv().getOrDefault("PORT", "8080");
    HttpServer server = HttpServer.create(new InetSocketAddress(Integer.parseInt(port)), 0);
    byte[] answer = Rounding.toCents(new BigDecimal("19.995")).toString().getBytes(StandardCharsets.UTF_8);
    server.createContext("/", exchange -> {
      exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    server.start();
    System.out.println("listening at port " + port);
  }
}
