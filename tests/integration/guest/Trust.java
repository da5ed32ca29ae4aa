// SPDX-License-Identifier: LGPL-2.1-or-later
// Whom a Java program trusts: prints what each URL answers, or that its certificate is not trusted.
import java.io.InputStream;
import java.net.URL;
import javax.net.ssl.SSLHandshakeException;

public class Trust {
    public static void main(String[] urls) throws Exception {
        for (String url : urls)
            try (InputStream stream = new URL(url).openStream()) {
                System.out.println(url + " " + new String(stream.readAllBytes()).trim());
            } catch (SSLHandshakeException e) {
                System.out.println(url + " is not trusted");
            }
    }
}
