import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { connectTls, createAgent, createDispatcher, createFetch } from '@countersign/client'
import { ConfigurationError, type ConfigurationErrorCode } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const servers = [billing]

const saas = await createAuthority('saas.example')
const source = await saas.source(coreApi)

let connections = 0
const listener = createServer((socket) => {
  connections += 1
  socket.destroy()
})

before(async () => {
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
})

after(() => listener.close())

function portOf(): number {
  const address = listener.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

type Create = (given: unknown, options: unknown) => unknown

const ways: readonly (readonly [name: string, create: Create])[] = [
  ['createAgent', (...given) => apply(createAgent, given)],
  ['createFetch', (...given) => apply(createFetch, given)],
  ['createDispatcher', (...given) => apply(createDispatcher, given)],
  [
    'connectTls',
    (given, options) => {
      const place = { host: '127.0.0.1', port: portOf() }
      return apply(connectTls, [given, isPlain(options) ? { ...place, ...options } : options])
    },
  ],
]

function apply(create: (...given: never[]) => unknown, given: readonly unknown[]): unknown {
  const created: unknown = Reflect.apply(create, undefined, [...given])
  return created
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Mistake = readonly [what: string, options: unknown, code: ConfigurationErrorCode, message?: RegExp]

const mistakes: readonly Mistake[] = [
  ['an empty list', { servers: [] }, 'option_invalid'],
  ['no servers', {}, 'option_invalid'],
  ['text instead of the list', { servers: billing }, 'option_invalid'],
  ['null instead of the list', { servers: null }, 'option_invalid'],
  ['a host name in the list', { servers: ['billing.saas.example'] }, 'option_invalid'],
  ['a URL in the list', { servers: ['https://billing:8443'] }, 'option_invalid'],
  ['a trust domain without a path', { servers: ['spiffe://saas.example'] }, 'option_invalid'],
  ['a number in the list', { servers: [7] }, 'option_invalid'],
  ['an empty string in the list', { servers: [''] }, 'option_invalid'],
  ['a wildcard in the trust domain', { servers: ['spiffe://*.example/x'] }, 'rule_invalid'],
  ['any trust domain', { servers: ['spiffe://*/**'] }, 'rule_invalid'],
  ['a wildcard within a segment', { servers: ['spiffe://saas.example/bill*'] }, 'rule_invalid'],
  ['** in the middle', { servers: ['spiffe://saas.example/**/x'] }, 'rule_invalid'],
  ['one valid and one invalid server', { servers: [billing, 'spiffe://partner.example'] }, 'option_invalid'],
  ['a misspelt option', { servers, timeoutMS: 5 }, 'option_unknown', /timeoutMs/],
  ['server instead of servers', { server: billing }, 'option_unknown', /servers/],
  ['rejectUnauthorized', { servers, rejectUnauthorized: false }, 'option_unknown'],
  ['a CA', { servers, ca: 'x' }, 'option_unknown'],
  ['checkServerIdentity', { servers, checkServerIdentity: () => undefined }, 'option_unknown'],
  ['a timeout of zero', { servers, timeoutMs: 0 }, 'option_invalid'],
  ['a negative timeout', { servers, timeoutMs: -1 }, 'option_invalid'],
  ['a timeout that is not a number', { servers, timeoutMs: Number.NaN }, 'option_invalid'],
  ['an infinite timeout', { servers, timeoutMs: Infinity }, 'option_invalid'],
  ['a timeout as a string', { servers, timeoutMs: '5s' }, 'option_invalid'],
  ['an invalid version of TLS', { servers, tls: { minVersion: 'TLSv1.1' } }, 'option_invalid'],
  ['options of TLS besides its version', { servers, tls: { rejectUnauthorized: false } }, 'option_unknown'],
  ['tls that is not an object', { servers, tls: true }, 'option_invalid'],
  ['a log that is not a function', { servers, log: true }, 'option_invalid'],
  ['invalid options', undefined, 'option_invalid'],
  ['a list of options', [], 'option_invalid'],
]

for (const [name, create] of ways) {
  for (const [what, options, code, message] of mistakes) {
    test(`${name} refuses ${what}`, async () => {
      await refuses(() => create(source, options), code, message)
    })
  }

  test(`${name} refuses a value that is not a source`, async () => {
    const given = { servers }
    for (const bad of [Promise.resolve(source), undefined, null, {}, saas, 'source']) {
      await refuses(() => create(bad, given), 'option_invalid', /source/)
    }
  })
}

const badPlaces: readonly (readonly [what: string, place: object])[] = [
  ['no host', { host: undefined }],
  ['an empty host', { host: '' }],
  ['port 0', { port: 0 }],
  ['a port that is too large', { port: 65_536 }],
  ['a port as a string', { port: '7000' }],
  ['a servername that is not a string', { servername: 7 }],
  ['no protocol in the list', { protocols: [] }],
  ['a protocol that is not a string', { protocols: [1] }],
]

for (const [what, place] of badPlaces) {
  test(`connectTls refuses ${what}`, async () => {
    const whole = { servers, host: '127.0.0.1', port: portOf(), ...place }
    await refuses(() => apply(connectTls, [source, whole]), 'option_invalid')
  })
}

async function refuses(create: () => unknown, code: ConfigurationErrorCode, message = /./): Promise<void> {
  const opened = connections
  await assert.rejects(
    async () => create(),
    (error) => {
      assert.ok(error instanceof ConfigurationError, String(error))
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      return true
    },
  )
  assert.equal(connections, opened)
}
