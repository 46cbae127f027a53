import java.io.ByteArrayInputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedKeyManager;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Calls a server repeatedly with the JDK's HttpClient, five requests at a time, while the certificate in a folder is
 * renewed. As with java-spiffe, new connections present the current certificate, and kept connections keep theirs.
 *
 * Arguments: URL, folder with tls.key and tls.crt, HTTP_2 or HTTP_1_1, seconds, milliseconds between two rounds.
 * Prints `ready` and waits for a line, so that no certificate expires while the JVM starts; then prints the number of
 * calls and of failures, and each kind of failure.
 */
class CallAcrossExpiry {
  public static void main(String[] args) throws Exception {
    var context = SSLContext.getInstance("TLSv1.3");
    context.init(new KeyManager[] {new FileKeyManager(Path.of(args[1]))}, new TrustManager[] {new TrustAll()}, null);
    var version = HttpClient.Version.valueOf(args[2]);
    var client = HttpClient.newBuilder().sslContext(context).version(version).build();
    var request = HttpRequest.newBuilder(URI.create(args[0])).timeout(Duration.ofSeconds(20)).build();
    System.out.println("ready");
    System.in.read();
    var end = System.nanoTime() + Duration.ofSeconds(Long.parseLong(args[3])).toNanos();
    var failures = new ArrayList<String>();
    int calls = 0;
    while (System.nanoTime() < end) {
      var round = new ArrayList<CompletableFuture<Integer>>();
      for (int index = 0; index < 5; index += 1) {
        round.add(client.sendAsync(request, BodyHandlers.ofString()).thenApply((response) -> response.statusCode()));
      }
      for (var call : round) {
        calls += 1;
        try {
          int status = call.get();
          if (status != 200) failures.add("status " + status);
        } catch (Exception error) {
          failures.add(String.valueOf(error.getCause()));
        }
      }
      Thread.sleep(Long.parseLong(args[4]));
    }
    System.out.println(calls + " calls, " + failures.size() + " failed");
    failures.stream().distinct().forEach(System.out::println);
    System.exit(0);
  }
}

/** Presents the content of the folder at the time of the handshake. */
class FileKeyManager extends X509ExtendedKeyManager {
  private final Path folder;

  FileKeyManager(Path folder) {
    this.folder = folder;
  }

  @Override
  public X509Certificate[] getCertificateChain(String alias) {
    try {
      var bytes = Files.readAllBytes(folder.resolve("tls.crt"));
      var certificates = CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(bytes));
      return certificates.toArray(new X509Certificate[0]);
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }

  @Override
  public PrivateKey getPrivateKey(String alias) {
    try {
      var pem = new String(Files.readAllBytes(folder.resolve("tls.key")), StandardCharsets.US_ASCII);
      var der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
      return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }

  @Override
  public String chooseEngineClientAlias(String[] keyType, Principal[] issuers, SSLEngine engine) {
    return "current";
  }

  @Override
  public String chooseClientAlias(String[] keyType, Principal[] issuers, Socket socket) {
    return "current";
  }

  @Override
  public String[] getClientAliases(String keyType, Principal[] issuers) {
    return new String[] {"current"};
  }

  @Override
  public String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
    return null;
  }

  @Override
  public String[] getServerAliases(String keyType, Principal[] issuers) {
    return null;
  }
}

/** The server is not under test here. */
class TrustAll extends X509ExtendedTrustManager {
  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType) {}

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket) {}

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType) {}

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket) {}

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return new X509Certificate[0];
  }
}
