// SPDX-License-Identifier: LGPL-2.1-or-later
// Node's own clients, which know of no proxy and so go the transparent way
import assert from 'node:assert'
import { randomBytes } from 'node:crypto'

const url = 'https://keyed.test'
const signal = AbortSignal.timeout(90000)
assert.equal(await (await fetch(url + '/hello', { signal })).text(), 'hello\n')
const body = randomBytes(2000000)
assert.ok((await fetch(url + '/up/node', { method: 'PUT', body, signal })).ok)
assert.ok(body.equals(Buffer.from(await (await fetch(url + '/up/node', { signal })).arrayBuffer())))
const stream = new Blob([body, body]).stream()
assert.ok((await fetch(url + '/up/node', { method: 'PUT', body: stream, duplex: 'half', signal })).ok)
assert.equal((await fetch(url + '/up/node', { method: 'HEAD', signal })).headers.get('content-length'), '4000000')
assert.equal(await (await fetch(url + '/packed', { signal })).text(), 'packed '.repeat(10000))
assert.equal(await (await fetch(url + '/who', { headers: { authorization: 'Bearer placeholder' }, signal })).text(), 'right\n')
const denied = await fetch(url + '/denied/', { signal })
assert.equal(denied.status, 403)
assert.equal((await denied.json()).reason, 'rule')
const all = await Promise.all(Array.from({ length: 50 }, () => fetch(url + '/hello', { signal }).then(answer => answer.text())))
assert.ok(all.every(text => text === 'hello\n'))
let events = ''
for await (const part of (await fetch(url + '/events/node', { signal })).body) {
  events += Buffer.from(part)
  await fetch(url + '/taken/node', { method: 'POST', signal })
}
assert.equal(events, [0, 1, 2, 3, 4].map(n => `data: ${n}\n\n`).join(''))
console.log('fetch went well')
if (typeof WebSocket === 'undefined') {
  console.log('no WebSocket')
} else {
  const socket = new WebSocket(url.replace('https', 'wss') + '/ws')
  socket.binaryType = 'arraybuffer'
  const next = () => new Promise((resolve, reject) => {
    socket.onmessage = event => resolve(event.data)
    socket.onerror = socket.onclose = event => reject(new Error(`${event.type} ${event.code}`))
  })
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = event => reject(event.error ?? event) })
  for (const message of ['h\u00e9llo', 'x'.repeat(300000), body]) {
    const answer = next()
    socket.send(message)
    const got = await answer
    assert.ok(typeof message === 'string' ? got === message : Buffer.from(got).equals(message))
  }
  const closed = new Promise(resolve => { socket.onclose = resolve })
  socket.send('end')
  const { code, reason } = await closed
  assert.deepEqual([code, reason], [4001, 'the server ends'])
  console.log('WebSocket went well')
}
process.exit()
