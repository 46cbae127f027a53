import assert from 'node:assert/strict'
import { constants, type IncomingHttpHeaders } from 'node:http2'
import { test } from 'node:test'
import { AgentError } from '@countersign/workload-api'
import { frameMessage } from '@countersign/workload-api/wire'
import { answer, type Behaviour, callAgent, createStub, finish, head, listen, request, service } from './odd-server.ts'

const tooLong = Buffer.from([0, 1, 0, 0, 1])

for (const [what, behave, code, part] of [
  [
    'a status in the head',
    (stream) => stream.respond({ ...head, 'grpc-status': '7', 'grpc-message': 'no%20entry%0A' }, { endStream: true }),
    'PERMISSION_DENIED',
    'no entry\n',
  ],
  [
    'a status after a message',
    (stream) => finish(stream, answer, { 'grpc-status': '13', 'grpc-message': 'broken' }),
    'INTERNAL',
    'broken',
  ],
  [
    'details that are not percent-encoded',
    (stream) => finish(stream, answer, { 'grpc-status': '3', 'grpc-message': '100%' }),
    'INVALID_ARGUMENT',
    '100%',
  ],
  ['a status that does not exist', (stream) => finish(stream, answer, { 'grpc-status': '99' }), 'status 99', ''],
  ['an empty status', (stream) => finish(stream, answer, { 'grpc-status': '' }), 'status ', ''],
  ['a status that is not a number', (stream) => finish(stream, answer, { 'grpc-status': 'OK' }), 'status OK', ''],
  ['no status', (stream) => finish(stream, answer, {}), 'INTERNAL', 'without a status'],
  [
    'an end in the middle of a message',
    (stream) => finish(stream, answer.subarray(0, -1)),
    'INTERNAL',
    'in the middle of a message',
  ],
  ['no message', (stream) => finish(stream, Buffer.alloc(0)), 'INTERNAL', 'found 0 messages'],
  ['two messages', (stream) => finish(stream, Buffer.concat([answer, answer])), 'INTERNAL', 'found 2 messages'],
  [
    'a message that cannot be read',
    (stream) => finish(stream, frameMessage(Buffer.from([0xff]))),
    'INTERNAL',
    'cannot be read',
  ],
  [
    'a compressed message',
    (stream) => finish(stream, Buffer.concat([Buffer.from([1]), answer.subarray(1)])),
    'INTERNAL',
    'compressed',
  ],
  [
    'the beginning of a message that is too long',
    (stream) => finish(stream, tooLong),
    'RESOURCE_EXHAUSTED',
    '16777216 bytes',
  ],
  [
    'HTTP status 503',
    (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
    'UNAVAILABLE',
    'HTTP status 503',
  ],
  [
    'HTTP status 404',
    (stream) => stream.respond({ ':status': 404 }, { endStream: true }),
    'UNIMPLEMENTED',
    'HTTP status 404',
  ],
  [
    'HTTP status 403, which no agent answers',
    (stream) => stream.respond({ ':status': 403 }, { endStream: true }),
    'UNKNOWN',
    'HTTP status 403',
  ],
  ['a web page', (stream) => stream.respond({ ':status': 200, 'content-type': 'text/html' }), 'UNKNOWN', 'text/html'],
  ['no content type', (stream) => stream.respond({ ':status': 200 }), 'UNKNOWN', 'found none'],
  [
    'a stream that is refused',
    (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
    'UNAVAILABLE',
    'HTTP/2 error 7',
  ],
  ['a stream that is cancelled', (stream) => stream.close(constants.NGHTTP2_CANCEL), 'CANCELLED', 'HTTP/2 error 8'],
  [
    'a stream reset with ENHANCE_YOUR_CALM',
    (stream) => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
    'RESOURCE_EXHAUSTED',
    'HTTP/2 error 11',
  ],
  ['a stream that fails', (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR), 'INTERNAL', 'HTTP/2 error 2'],
  ['a connection that breaks', (_stream, _headers, cut) => cut(), 'UNAVAILABLE', ''],
  [
    'a connection that ends with GOAWAY',
    (stream) => stream.session?.destroy(undefined, constants.NGHTTP2_INTERNAL_ERROR),
    'UNAVAILABLE',
    '',
  ],
] as const satisfies readonly (readonly [string, Behaviour, string, string])[]) {
  test(`${what} is ${code}`, async (context) => {
    await assert.rejects(callAgent(context, behave), (error) => {
      assert.ok(error instanceof AgentError)
      assert.equal(error.grpcCode, code)
      assert.ok(error.message.includes(part), error.message)
      return true
    })
  })
}

test('reads a message split into any parts, and messages that arrive together one by one', async (context) => {
  const port = await listen(context, (stream) => {
    stream.respond(head, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    void (async () => {
      for (const byte of Buffer.concat([answer, answer])) {
        stream.write(Buffer.from([byte]))
        await new Promise(setImmediate)
      }
      stream.end(Buffer.concat([answer, answer]))
    })()
  })
  const values: unknown[] = []
  await new Promise<void>((end, fail) => {
    createStub(context, port).watch('FetchJWTSVID', request, { message: (value) => values.push(value), end, fail })
  })
  const value = { svids: [{ spiffe_id: 'a', svid: 'b', hint: '' }] }
  assert.deepEqual(values, [value, value, value, value])
})

test('reads a message of 16 MiB, and none larger', async (context) => {
  const overhead = service.FetchX509Bundles.responseSerialize({ crl: [Buffer.alloc(16_000_000)] }).length - 16_000_000
  for (const [length, expected] of [
    [16 * 1024 * 1024 - overhead, 'read'],
    [16 * 1024 * 1024 - overhead + 1, 'RESOURCE_EXHAUSTED'],
  ] as const) {
    const message = frameMessage(service.FetchX509Bundles.responseSerialize({ crl: [Buffer.alloc(length)] }))
    const port = await listen(context, (stream) => finish(stream, message))
    const found = await new Promise<string>((resolve) => {
      createStub(context, port).watch(
        'FetchX509Bundles',
        {},
        {
          message: () => resolve('read'),
          end: () => resolve('end'),
          fail: ({ grpcCode }) => resolve(grpcCode),
        },
      )
    })
    assert.equal(found, expected)
  }
})

test('sends its method, the security header and its deadline', async (context) => {
  let seen: IncomingHttpHeaders = {}
  await callAgent(context, (stream, headers) => {
    seen = headers
    finish(stream, answer)
  })
  const { ':method': method, ':path': path, ':authority': authority, te, 'content-type': type } = seen
  assert.deepEqual(
    [method, path, authority, te, type, seen['workload.spiffe.io'], seen['grpc-timeout']],
    ['POST', '/SpiffeWorkloadAPI/FetchJWTSVID', 'localhost', 'trailers', 'application/grpc', 'true', '10000m'],
  )
})

test('a cancelled stream receives no further message, and the agent is informed', async (context) => {
  const closed = createDeferred()
  const port = await listen(context, (stream) => {
    stream.on('close', () => closed.resolve(undefined))
    stream.respond(head)
    stream.write(Buffer.concat([answer, answer]))
  })
  const stub = createStub(context, port)
  const heard: string[] = []
  await new Promise<void>((resolve) => {
    const stop = stub.watch('FetchJWTSVID', request, {
      message: () => {
        heard.push('message')
        stop()
        resolve()
      },
      end: () => void heard.push('end'),
      fail: () => void heard.push('fail'),
    })
  })
  await closed.promise
  assert.deepEqual(heard, ['message'])
})

test('a call that starts after the connection failed also fails asynchronously', async (context) => {
  const port = await listen(context, (stream) => finish(stream, answer))
  const stub = createStub(context, port)
  stub.close()
  await assert.rejects(stub.call('FetchJWTSVID', request, 1000), { grpcCode: 'UNAVAILABLE' })
})

function createDeferred(): { readonly promise: Promise<unknown>; readonly resolve: (value: unknown) => void } {
  let settle: (value: unknown) => void = () => undefined
  const promise = new Promise<unknown>((resolve) => (settle = resolve))
  return { promise, resolve: (value) => settle(value) }
}
