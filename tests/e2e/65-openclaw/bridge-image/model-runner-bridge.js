// SPDX-License-Identifier: LGPL-2.1-or-later
// From 127.0.0.1:54321 to the model runner on the host, by the proxy of the sandbox: Node.js itself takes no notice of HTTP_PROXY
const http = require('http');
const { hostname, port } = new URL(process.env.HTTP_PROXY || 'http://host.docker.internal:3128');
const TARGET = 'localhost:12434';

http
  .createServer((req, res) => {
    const headers = Object.assign({}, req.headers, { host: TARGET });
    const up = http.request({ hostname, port, method: req.method, path: 'http://' + TARGET + req.url, headers }, (r) => {
      res.writeHead(r.statusCode, r.headers);
      r.pipe(res);
    });
    up.on('error', (e) => {
      res.writeHead(502);
      res.end(String(e));
    });
    req.pipe(up);
  })
  .listen(54321, '127.0.0.1', () => console.log('bridge: 127.0.0.1:54321 -> ' + hostname + ':' + port + ' -> ' + TARGET));
