// SPDX-License-Identifier: LGPL-2.1-or-later
// Go's own client with nothing but a guest's environment, and without it, so that it goes the transparent way
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func check(right bool, text string, arguments ...any) {
	if !right {
		fmt.Printf("clients.go: "+text+"\n", arguments...)
		os.Exit(1)
	}
}

func do(client *http.Client, method, url string, body io.Reader, fields ...string) (*http.Response, string) {
	request, err := http.NewRequest(method, url, body)
	check(err == nil, "%v", err)
	for i := 0; i < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	answer, err := client.Do(request)
	check(err == nil, "%s %s: %v", method, url, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	check(err == nil, "%s %s: %v", method, url, err)
	return answer, string(text)
}

func try(client *http.Client, urls ...string) {
	body := make([]byte, 2000000)
	rand.Read(body)
	for _, url := range urls {
		_, text := do(client, "GET", url+"/hello", nil)
		check(text == "hello\n", "%s: %q", url, text)
		do(client, "PUT", url+"/up/go", bytes.NewReader(body))
		_, text = do(client, "GET", url+"/up/go", nil)
		check(text == string(body), "%s: another body", url)
		// of a length that it does not know, and then after a 100
		do(client, "PUT", url+"/up/go", io.MultiReader(bytes.NewReader(body), bytes.NewReader(body)))
		answer, _ := do(client, "HEAD", url+"/up/go", nil)
		check(answer.ContentLength == 4000000, "%s: %d", url, answer.ContentLength)
		do(client, "PUT", url+"/up/go", bytes.NewReader(body), "Expect", "100-continue")
		_, text = do(client, "GET", url+"/packed", nil)
		check(text == strings.Repeat("packed ", 10000), "%s: not unpacked", url)

		answers := make(chan string)
		for i := 0; i < 50; i++ {
			go func() {
				_, text := do(client, "GET", url+"/hello", nil)
				answers <- text
			}()
		}
		for i := 0; i < 50; i++ {
			check(<-answers == "hello\n", "%s: of fifty", url)
		}

		name := strings.NewReplacer("/", "", ":", "").Replace(url)
		stream, err := client.Get(url + "/events/go-" + name)
		check(err == nil, "%v", err)
		events := 0
		for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
			if lines.Text() != "" {
				check(lines.Text() == fmt.Sprintf("data: %d", events), "%s: %q", url, lines.Text())
				events++
				do(client, "POST", url+"/taken/go-"+name, nil)
			}
		}
		stream.Body.Close()
		check(events == 5, "%s: %d events", url, events)
	}
	_, text := do(client, "GET", "https://keyed.test/who", nil, "Authorization", "Bearer placeholder")
	check(text == "right\n", "the key: %q", text)
	answer, text := do(client, "GET", "https://keyed.test/denied/", nil)
	var refusal struct{ Reason string }
	check(json.Unmarshal([]byte(text), &refusal) == nil && refusal.Reason == "rule", "%q", text)
	check(answer.StatusCode == 403 && answer.Header.Get("Creel-Denied") == "rule", "%v", answer)
}

func main() {
	explicit := &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ExpectContinueTimeout: time.Minute}}
	try(explicit, "https://keyed.test", "https://files.test", "http://files.test")
	_, err := explicit.Get("https://other.test/")
	check(err != nil && strings.Contains(err.Error(), "Forbidden"), "%v", err)
	answer, _ := do(explicit, "GET", "http://other.test/", nil)
	check(answer.StatusCode == 403 && answer.Header.Get("Creel-Denied") != "", "%v", answer)
	try(&http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}, "https://keyed.test", "https://files.test:8443")
	fmt.Println("all went well")
}
