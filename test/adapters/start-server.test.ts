import assert from 'node:assert/strict'
import { constants, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer, type ServerOptions } from 'node:https'
import { describe, test } from 'node:test'
import { createSecureContext, type Server } from 'node:tls'
import { createGuard, type Guard } from '@countersign/core'
import { createServer as createExpressServer } from '@countersign/express'
import countersign from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { billing, rules } from './frameworks.ts'
import { refusal } from './refusal.ts'
import { isOpensslAsked } from '../support/openssl-asked.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(billing)
const foreign = await authority.issue(billing)
const keyStore = readFileSync(new URL('../vectors/key-stores/openssl-unprotected.p12', import.meta.url))
const sameName = { key: foreign.keyPem, cert: foreign.certificatePem }

/** Settings that would break the guard's guarantees, and the word with which the error names each. */
const unsuitable: Readonly<Record<string, readonly [ServerOptions, RegExp]>> = {
  'another rejectUnauthorized': [{ rejectUnauthorized: !isOpensslAsked }, /rejectUnauthorized/],
  'requestCert: false': [{ requestCert: false }, /requestCert/],
  ticketKeys: [{ ticketKeys: randomBytes(48) }, /ticketKeys/],
  SNICallback: [{ SNICallback: (_name, done) => done(null, createSecureContext(sameName)) }, /SNICallback/],
  pskCallback: [{ pskCallback: () => null }, /pskCallback/],
  'a certificate that is not the source’s': [sameName, /certificate/],
  'a lower minVersion': [{ minVersion: 'TLSv1.2' }, /minVersion/],
  'a maxVersion': [{ maxVersion: 'TLSv1.3' }, /maxVersion/],
  'other secureOptions': [{ secureOptions: 0 }, /secureOptions/],
  'secureOptions that allow tickets': [{ secureOptions: constants.SSL_OP_NO_RENEGOTIATION }, /secureOptions/],
  'secureOptions that allow renegotiation': [{ secureOptions: constants.SSL_OP_NO_TICKET }, /secureOptions/],
  'a key store as well': [{ pfx: keyStore }, /pfx/],
}

const listeners = ['newSession', 'resumeSession'] as const

type Make = (options: ServerOptions) => Server

const makers: Readonly<Record<string, Make>> = {
  https: (options) => createServer(options),
  http2: (options) => createSecureServer(options),
}

for (const [name, make] of Object.entries(makers)) {
  describe(`a server of node:${name} does not start`, () => {
    for (const [setting, [options, named]] of Object.entries(unsuitable)) {
      test(`with ${setting}`, () => {
        const guard = createGuard({ source, rules })
        const server = make({ ...guard.tlsOptions(), ...options })
        assert.throws(() => guard.attach(server), refusal('server_unsuitable', named))
      })
    }

    for (const event of listeners) {
      test(`with an existing ${event} listener`, () => {
        const { guard, server } = prepare(make)
        server.on(event, () => undefined)
        assert.throws(() => guard.attach(server), refusal('server_unsuitable', new RegExp(event)))
      })
    }

    test('with a context that was added by addContext', () => {
      const { guard, server } = prepare(make)
      server.addContext('other.example', sameName)
      assert.throws(() => guard.attach(server), refusal('server_unsuitable', /addContext/))
    })

    test('when it is attached twice', () => {
      const { guard, server } = prepare(make)
      guard.attach(server)
      assert.throws(() => guard.attach(server), refusal('registration_invalid', /attach/))
    })

    test('with the tlsOptions of another guard', () => {
      const { server } = prepare(make)
      assert.throws(() => createGuard({ source, rules }).attach(server), refusal('server_unsuitable', /another guard/))
    })
  })

  describe(`an attached server of node:${name} refuses to be weakened`, () => {
    for (const event of listeners) {
      test(`by a ${event} listener`, () => {
        const server = attach(make)
        for (const add of ['on', 'once', 'prependListener', 'addListener'] as const) {
          assert.throws(() => server[add](event, () => undefined), refusal('server_unsuitable', new RegExp(event)))
        }
        assert.equal(server.listenerCount(event), 0)
      })
    }

    test('by another context or by ticket keys', () => {
      const server = attach(make)
      assert.throws(() => server.addContext('other.example', sameName), refusal('server_unsuitable', /addContext/))
      assert.throws(() => server.setSecureContext(sameName), refusal('server_unsuitable', /setSecureContext/))
      assert.throws(() => server.setTicketKeys(randomBytes(48)), refusal('server_unsuitable', /setTicketKeys/))
    })
  })
}

test("an attached HTTP/2 server refuses a 'stream' listener, whose requests would bypass the guard", () => {
  const server = attach((options) => createSecureServer(options))
  assert.throws(() => server.on('stream', () => undefined), refusal('server_unsuitable', /stream/))
})

test('a server without TLS does not start', async () => {
  const guard = createGuard({ source, rules })
  assert.throws(() => guard.attach(createHttpServer()), refusal('server_unsuitable', /TLS/))
  const app = Fastify()
  await assert.rejects(async () => app.register(countersign, { guard }), refusal('server_unsuitable', /TLS/))
})

test('a source made for tests serves only on loopback', async () => {
  const guard = createGuard({ source, rules })
  const server = createExpressServer(guard, express())
  const failed = once(server, 'error')
  server.listen(0, '0.0.0.0')
  const emitted: unknown[] = await failed
  refusal('server_unsuitable', /0\.0\.0\.0/)(emitted[0])
  assert.equal(server.listening, false)

  const second = createGuard({ source, rules })
  const app = Fastify({ https: second.tlsOptions() })
  await app.register(countersign, { guard: second })
  await assert.rejects(app.listen({ host: '0.0.0.0', port: 0 }), refusal('server_unsuitable', /0\.0\.0\.0/))
  await app.close()
})

test('a source made for tests closes a server that already listens on other addresses', async () => {
  const { guard, server } = prepare((options) => createServer(options))
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  const failed = once(server, 'error')
  guard.attach(server)
  const emitted: unknown[] = await failed
  refusal('server_unsuitable', /0\.0\.0\.0/)(emitted[0])
  await once(server, 'close')
})

function prepare(make: Make): { readonly guard: Guard; readonly server: Server } {
  const guard = createGuard({ source, rules })
  return { guard, server: make({ ...guard.tlsOptions() }) }
}

function attach(make: Make): Server {
  const { guard, server } = prepare(make)
  guard.attach(server)
  return server
}
