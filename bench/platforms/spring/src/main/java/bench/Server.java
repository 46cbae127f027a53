package bench;

import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.server.context.WebServerInitializedEvent;
import org.springframework.context.event.EventListener;
import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.json.JsonMapper;

/**
 * A server that requires a client certificate. The profile "guarded" adds Spring Security; "bare" runs without it. The
 * folder that it runs in has key.pem, cert.pem and ca.pem. Prints its port.
 */
@SpringBootApplication
@RestController
public class Server {

  private final JsonMapper mapper;

  Server(JsonMapper mapper) {
    this.mapper = mapper;
  }

  public static void main(String[] arguments) {
    SpringApplication.run(Server.class, arguments);
  }

  // As text, because Spring MVC streams an object in chunks and the load generator needs a content length.
  @GetMapping(path = "/internal/billing/invoices", produces = MediaType.APPLICATION_JSON_VALUE)
  String invoices() {
    return mapper.writeValueAsString(Map.of("invoices", List.of()));
  }

  @EventListener
  void printPort(WebServerInitializedEvent event) {
    System.out.println("port " + event.getWebServer().getPort());
  }
}
