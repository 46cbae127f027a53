import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { preface, writeRequest } from '../connection/http2-frames.ts'
import { names, startService } from './start-service.ts'

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/payments'
const callerId = 'spiffe://saas.example/ns/production/sa/core-api'
const caller = await authority.issue(callerId)
const renewed = await authority.issue(callerId)
const authorization = 'Bearer eyJsecret'
const invalid = 'Bearer error="invalid_token"'

function bindTo(svid: TestSvid): unknown {
  const { raw } = new X509Certificate(svid.certificatePem)
  return { cnf: { 'x5t#S256': createHash('sha256').update(raw).digest('base64url') } }
}

for (const name of names) {
  describe(name, () => {
    test('serves a request whose token is bound to its certificate', async () => {
      await using service = await startService(name, await authority.source(ours), { verify: () => bindTo(caller) })
      await using peer = service.as(caller)

      const response = await peer.fetch('/payments', { headers: { authorization } })
      assert.equal(response.status, 200)
      assert.equal(await response.text(), 'paid')
      assert.deepEqual(service.denials, [])
    })

    for (const [what, verify, headers, challenge, reason] of [
      ['no token', () => bindTo(caller), {}, 'Bearer', 'token_unbound'],
      [
        'a token of another certificate of the same caller',
        () => bindTo(renewed),
        { authorization },
        invalid,
        'token_unbound',
      ],
      ['a token that is not bound', () => ({}), { authorization }, invalid, 'token_unbound'],
      ['a token that verify refuses', () => assert.fail('token'), { authorization }, invalid, 'token_invalid'],
    ] as const) {
      test(`answers 401 to ${what}, and logs why without the token`, async () => {
        await using service = await startService(name, await authority.source(ours), { verify })
        await using peer = service.as(caller)

        const response = await peer.fetch('/payments', { headers })
        assert.equal(response.status, 401)
        assert.equal(response.headers.get('www-authenticate'), challenge)
        assert.equal(response.headers.get('cache-control'), 'no-store')
        assert.equal(service.handled(), 0)
        assert.equal(service.denials.length, 1)
        assert.equal(service.denials[0]?.reason, reason)
        assert.equal(service.denials[0]?.principal, callerId)
        assert.ok(!JSON.stringify(service.denials).includes('eyJsecret'))
      })
    }

    test('needs no token on other routes', async () => {
      await using service = await startService(name, await authority.source(ours), { verify: () => assert.fail() })
      await using peer = service.as(caller)

      assert.equal((await peer.fetch('/open')).status, 200)
    })

    test('answers 503 if verify does not settle in time', async () => {
      const options = { verify: () => new Promise(() => undefined), timeoutMs: 50 }
      await using service = await startService(name, await authority.source(ours), options)
      await using peer = service.as(caller)

      assert.equal((await peer.fetch('/payments', { headers: { authorization } })).status, 503)
      assert.equal(service.handled(), 0)
      assert.equal(service.denials[0]?.reason, 'evaluation_error')
    })

    test('does not run the handler of a caller that stopped being proven while verify waited', async () => {
      const source = await authority.source(ours)
      const other = await createAuthority('saas.example')
      const verify = async (): Promise<unknown> => {
        source.replace({ svid: await other.issue(ours), bundles: { 'saas.example': other } })
        return bindTo(caller)
      }
      await using service = await startService(name, source, { verify })
      await using peer = service.as(caller)

      await assert.rejects(async () => {
        const { status } = await peer.fetch('/payments', { headers: { authorization } })
        assert.equal(status, 200)
      })
      assert.equal(service.handled(), 0)
    })

    test('does not run the handler while the source has no certificate', async () => {
      const source = await authority.source(ours)
      const verify = (): unknown => {
        source.withdraw()
        return bindTo(caller)
      }
      await using service = await startService(name, source, { verify })
      await using peer = service.as(caller)

      await assert.rejects(async () => {
        const { status } = await peer.fetch('/payments', { headers: { authorization } })
        assert.equal(status, 200)
      })
      assert.equal(service.handled(), 0)
    })

    test('serves a request during a rotation that leaves its caller proven', async () => {
      const source = await authority.source(ours)
      const other = await createAuthority('saas.example')
      const verify = async (): Promise<unknown> => {
        source.replace({ svid: await authority.issue(ours), bundles: { 'saas.example': [authority, other] } })
        return bindTo(caller)
      }
      await using service = await startService(name, source, { verify })
      await using peer = service.as(caller)

      assert.equal((await peer.fetch('/payments', { headers: { authorization } })).status, 200)
    })

    test('does not run the handler if an update changes the authorities of its caller', async () => {
      const source = await authority.source(ours)
      const other = await createAuthority('saas.example')
      let given = ['before']
      const verify = async (): Promise<unknown> => {
        given = []
        source.replace({ svid: await authority.issue(ours), bundles: { 'saas.example': [authority, other] } })
        return bindTo(caller)
      }
      await using service = await startService(name, source, { verify }, { authorities: () => given })
      await using peer = service.as(caller)

      assert.equal((await peer.fetch('/payments', { headers: { authorization } })).status, 503)
      assert.equal(service.handled(), 0)
    })

    test('does not run the handler for a caller that has disconnected', async () => {
      const waiting = withResolvers()
      const begun = withResolvers()
      const verify = async (): Promise<unknown> => {
        begun.resolve()
        await waiting.promise
        return bindTo(caller)
      }
      await using service = await startService(name, await authority.source(ours), { verify })
      const peer = service.as(caller)
      const closed = new Promise((resolve) => {
        service.running.server.on(
          'request',
          (_request: unknown, response: EventEmitter) => void response.once('close', resolve),
        )
      })
      const failed = assert.rejects(peer.fetch('/payments', { headers: { authorization } }))
      await begun.promise
      peer.close()
      await Promise.all([failed, closed])
      waiting.resolve()
      await new Promise(setImmediate)
      await new Promise(setImmediate)

      assert.equal(service.handled(), 0)
    })
  })
}

test('Fastify, HTTP/2 answers 401 to several Authorization headers', async () => {
  const verify = (): unknown => bindTo(caller)
  await using service = await startService('Fastify, HTTP/2', await authority.source(ours), { verify })
  await using peer = service.as(caller)
  const socket = await peer.connect({ ALPNProtocols: ['h2'] })
  // RFC 7541 §6.2.2: a literal field whose name has the index 23 of the static table.
  const field = Buffer.concat([Buffer.from([0x0f, 8, authorization.length]), Buffer.from(authorization)])
  socket.write(Buffer.concat([preface, writeRequest(1, '/payments', [field, field])]))

  assert.match((await service.denied).detail, /2 Authorization headers/)
  assert.equal(service.handled(), 0)
})

for (const name of ['Fastify, HTTP/1.1', 'Express, HTTP/1.1'] as const) {
  test(`${name} answers 401 to several Authorization headers`, async () => {
    await using service = await startService(name, await authority.source(ours), { verify: () => bindTo(caller) })
    await using peer = service.as(caller)

    const socket = await peer.connect()
    const line = `Authorization: ${authorization}\r\n`
    socket.write(`GET /payments HTTP/1.1\r\nHost: a\r\n${line}${line}Connection: close\r\n\r\n`)
    assert.match(Buffer.concat(await socket.toArray()).toString(), /^HTTP\/1\.1 401 /)
    assert.equal(service.handled(), 0)
  })
}

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}
