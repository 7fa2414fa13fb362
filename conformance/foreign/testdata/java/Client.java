import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.util.Base64;
import java.util.Properties;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * java.net.http.HttpClient with a client certificate from PEM files. Reads one
 * request as properties from standard input; writes the status in the first line
 * and the body after it.
 */
public class Client {
    public static void main(String[] args) throws Exception {
        Properties request = new Properties();
        request.load(System.in);
        HttpClient client = HttpClient.newBuilder()
                .sslContext(context(request.getProperty("ca"), request.getProperty("cert"), request.getProperty("key")))
                .connectTimeout(Duration.ofSeconds(20))
                .build();
        HttpResponse<String> response = client.send(
                request.getProperty("token").isEmpty() ? tokenRequest(request) : apiRequest(request),
                HttpResponse.BodyHandlers.ofString());
        System.out.println(response.statusCode());
        System.out.print(response.body());
    }

    private static HttpRequest tokenRequest(Properties request) {
        return HttpRequest.newBuilder(URI.create(request.getProperty("token_endpoint")))
                .timeout(Duration.ofSeconds(20))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(
                        "grant_type=client_credentials&client_id=" + request.getProperty("client_id")))
                .build();
    }

    private static HttpRequest apiRequest(Properties request) {
        return HttpRequest.newBuilder(URI.create(request.getProperty("api")))
                .timeout(Duration.ofSeconds(20))
                .header("Authorization", "Bearer " + request.getProperty("token"))
                .build();
    }

    private static SSLContext context(String ca, String cert, String key) throws Exception {
        KeyStore trusted = emptyStore();
        int i = 0;
        for (Certificate c : certificates(ca)) {
            trusted.setCertificateEntry("ca" + i++, c);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        if (cert.isEmpty()) {
            context.init(null, trust.getTrustManagers(), null);
            return context;
        }
        String pem = Files.readString(Path.of(key)).replaceAll("-----[A-Z ]+-----|\\s", "");
        KeyStore own = emptyStore();
        own.setKeyEntry("own",
                KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem))),
                new char[0], certificates(cert));
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, new char[0]);
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static KeyStore emptyStore() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static Certificate[] certificates(String file) throws Exception {
        return CertificateFactory.getInstance("X.509")
                .generateCertificates(new ByteArrayInputStream(Files.readAllBytes(Path.of(file))))
                .toArray(new Certificate[0]);
    }
}
