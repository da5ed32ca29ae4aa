// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the model runner can be reached through a proxy only (not in a creel, where localhost:12434 does it): listens on
// 127.0.0.1:54321 and hands each request to the proxy.
import http from 'node:http';

const proxy = new URL(process.env.HTTP_PROXY || process.env.http_proxy || 'http://host.docker.internal:3128');
const runner = 'localhost:12434';

http.createServer((request, answer) => {
  const onward = http.request({ host: proxy.hostname, port: proxy.port || 80, method: request.method, agent: false,
    path: `http://${runner}${request.url}`, headers: { ...request.headers, host: runner } });
  onward.on('response', (response) => { answer.writeHead(response.statusCode, response.headers); response.pipe(answer); });
  onward.on('error', (error) => { if (!answer.headersSent) answer.writeHead(502); answer.end(`${error.message}\n`); });
  answer.on('close', () => onward.destroy());
  request.pipe(onward);
}).listen(54321, '127.0.0.1');
