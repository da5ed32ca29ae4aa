// SPDX-License-Identifier: LGPL-2.1-or-later
// Java's own clients: by the proxy that its properties name, and without it, so that it goes the transparent way
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.ProxySelector;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

class Clients {
    static final byte[] body = new byte[2000000];

    static void check(boolean right, Object what) {
        if (!right)
            throw new AssertionError(what);
    }

    static HttpRequest request(String method, String url, BodyPublisher body, String... fields) {
        HttpRequest.Builder builder = HttpRequest.newBuilder(URI.create(url)).method(method, body).timeout(Duration.ofSeconds(60));
        return (fields.length > 0 ? builder.headers(fields) : builder).build();
    }

    static HttpRequest get(String url, String... fields) {
        return request("GET", url, BodyPublishers.noBody(), fields);
    }

    static void requests(HttpClient client, String url) throws Exception {
        check(client.send(get(url + "/hello"), BodyHandlers.ofString()).body().equals("hello\n"), url);
        check(client.send(request("PUT", url + "/up/java", BodyPublishers.ofByteArray(body)), BodyHandlers.ofString()).statusCode() / 100 == 2, url);
        check(Arrays.equals(client.send(get(url + "/up/java"), BodyHandlers.ofByteArray()).body(), body), url);
        // of a length that it does not know, and then after a 100
        BodyPublisher parts = BodyPublishers.ofByteArrays(Arrays.asList(body, body));
        check(client.send(request("PUT", url + "/up/java", parts), BodyHandlers.ofString()).statusCode() / 100 == 2, url);
        HttpResponse<Void> head = client.send(request("HEAD", url + "/up/java", BodyPublishers.noBody()), BodyHandlers.discarding());
        check(head.headers().firstValueAsLong("content-length").getAsLong() == 4000000, head);
        HttpRequest asking = HttpRequest.newBuilder(URI.create(url + "/up/java")).PUT(BodyPublishers.ofByteArray(body)).expectContinue(true).build();
        check(client.send(asking, BodyHandlers.ofString()).statusCode() / 100 == 2, url);
        try (InputStream packed = client.send(get(url + "/packed", "Accept-Encoding", "gzip"), BodyHandlers.ofInputStream()).body()) {
            // with a key to hide it comes unpacked
            byte[] all = (url.contains("keyed") ? packed : new GZIPInputStream(packed)).readAllBytes();
            check(new String(all).equals("packed ".repeat(10000)), url);
        }
        Stream.generate(() -> client.sendAsync(get(url + "/hello"), BodyHandlers.ofString())).limit(50).toList()
            .forEach(answer -> check(answer.join().body().equals("hello\n"), url));
        String name = "/java" + client.proxy().isPresent() + url.replaceAll("[:/]", "");
        int[] events = { 0 };
        try (Stream<String> lines = client.send(get(url + "/events" + name), BodyHandlers.ofLines()).body()) {
            lines.filter(line -> !line.isEmpty()).forEach(line -> {
                check(line.equals("data: " + events[0]++), line);
                client.sendAsync(request("POST", url + "/taken" + name, BodyPublishers.noBody()), BodyHandlers.discarding()).join();
            });
        }
        check(events[0] == 5, events[0]);
    }

    static void keys(HttpClient client) throws Exception {
        check(client.send(get("https://keyed.test/who", "Authorization", "Bearer placeholder"), BodyHandlers.ofString()).body().equals("right\n"), "the key");
        HttpResponse<String> denied = client.send(get("https://keyed.test/denied/"), BodyHandlers.ofString());
        check(denied.statusCode() == 403 && denied.headers().firstValue("creel-denied").get().equals("rule"), denied);
        check(denied.body().contains("\"reason\": \"rule\""), denied.body());
    }

    /** What came, a message an entry: text, bytes, or what closed it. */
    static class Listener implements WebSocket.Listener {
        final BlockingQueue<Object> messages = new LinkedBlockingQueue<>();
        private final StringBuilder text = new StringBuilder();
        private final java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();

        public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
            text.append(data);
            if (last) {
                messages.add(text.toString());
                text.setLength(0);
            }
            socket.request(1);
            return null;
        }

        public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
            while (data.hasRemaining())
                bytes.write(data.get());
            if (last) {
                messages.add(ByteBuffer.wrap(bytes.toByteArray()));
                bytes.reset();
            }
            socket.request(1);
            return null;
        }

        public CompletionStage<?> onPong(WebSocket socket, ByteBuffer data) {
            messages.add("pong " + data.remaining());
            socket.request(1);
            return null;
        }

        public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            messages.add(code + " " + reason);
            return null;
        }

        public void onError(WebSocket socket, Throwable error) {
            messages.add(error);
        }

        void expect(Object wanted) throws Exception {
            Object got = messages.poll(60, TimeUnit.SECONDS);
            check(wanted.equals(got), got);
        }
    }

    static void talk(HttpClient client, String url, String who) throws Exception {
        Listener listener = new Listener();
        WebSocket socket = client.newWebSocketBuilder().buildAsync(URI.create(url), listener).join();
        String large = "x".repeat(300000);
        for (String message : new String[] { "h\u00e9llo", "", large }) {
            socket.sendText(message, true).join();
            listener.expect(message);
        }
        socket.sendText(large, false).join();
        socket.sendText(large, true).join();
        listener.expect(large + large);
        socket.sendBinary(ByteBuffer.wrap(body), true).join();
        listener.expect(ByteBuffer.wrap(body));
        socket.sendPing(ByteBuffer.wrap(new byte[100])).join();
        listener.expect("pong 100");
        socket.sendText("who", true).join();
        listener.expect(who);
        socket.sendText("end", true).join();
        listener.expect("4001 the server ends");
        listener = new Listener();
        socket = client.newWebSocketBuilder().buildAsync(URI.create(url), listener).join();
        socket.sendClose(4000, "enough").join();
        listener.expect("4000 enough");
    }

    public static void main(String[] arguments) throws Exception {
        new Random().nextBytes(body);
        HttpClient explicit = HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build();
        HttpClient transparent = HttpClient.newBuilder().proxy(HttpClient.Builder.NO_PROXY).build();
        for (String url : new String[] { "https://keyed.test", "https://files.test", "http://files.test" })
            requests(explicit, url);
        for (String url : new String[] { "https://keyed.test", "https://files.test:8443" })
            requests(transparent, url);
        keys(explicit);
        keys(transparent);
        HttpResponse<String> denied = explicit.send(get("http://other.test/"), BodyHandlers.ofString());
        check(denied.statusCode() == 403 && denied.headers().firstValue("creel-denied").isPresent(), denied);
        try {
            explicit.send(get("https://other.test/"), BodyHandlers.ofString());
            check(false, "not refused");
        } catch (java.io.IOException error) {
            check(error.getMessage().contains("403"), error);
        }
        System.out.println("HttpClient went well");

        HttpURLConnection old = (HttpURLConnection) new URL("https://keyed.test/up/old-java").openConnection();
        old.setRequestMethod("PUT");
        old.setDoOutput(true);
        old.setChunkedStreamingMode(0);
        old.getOutputStream().write(body);
        check(old.getResponseCode() / 100 == 2, old.getResponseMessage());
        try (InputStream back = new URL("https://keyed.test/up/old-java").openStream()) {
            check(Arrays.equals(back.readAllBytes(), body), "URLConnection");
        }
        old = (HttpURLConnection) new URL("https://keyed.test/denied/").openConnection();
        check(old.getResponseCode() == 403 && "rule".equals(old.getHeaderField("Creel-Denied")), old);
        try {
            new URL("https://other.test/").openStream();
            check(false, "not refused");
        } catch (java.io.IOException error) {
            check(error.getMessage().contains("403"), error);
        }
        System.out.println("URLConnection went well");

        talk(explicit, "wss://keyed.test/ws", "right");
        talk(explicit, "wss://files.test/ws", "none");
        // of its own: Java would take a kept connection of HTTP to the proxy for the tunnel that it needs
        talk(HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build(), "ws://files.test/ws", "none");
        talk(transparent, "wss://keyed.test/ws", "right");
        talk(transparent, "wss://files.test:8443/ws", "none");
        try {
            explicit.newWebSocketBuilder().buildAsync(URI.create("wss://keyed.test/denied/ws"), new Listener()).join();
            check(false, "not refused");
        } catch (CompletionException error) {
            check(((WebSocketHandshakeException) error.getCause()).getResponse().statusCode() == 403, error);
        }
        System.out.println("WebSocket went well");
    }
}
