import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  authenticated,
  ConfigurationError,
  type CountersignEvent,
  createGuard,
  type GuardOptions,
  SourceError,
  SpiffeIdError,
  staticSource,
} from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const rules = [{ path: '/**', allow: authenticated() }]

function refusal(options: object): ConfigurationError {
  try {
    Reflect.apply(createGuard, undefined, [{ source, rules, ...options }])
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new assert.AssertionError({ message: 'the guard was created' })
}

for (const [name, options, code, words] of [
  ['an unknown option, with a suggestion', { trustDomain: ['x'] }, 'option_unknown', "'trustDomains'"],
  ['an invalid source', { source: {} }, 'option_invalid', 'source'],
  ['an unknown onExpiry', { onExpiry: 'ignore' }, 'option_invalid', "'close' or 'refuse'"],
  ['a log that is not a function', { log: true }, 'option_invalid', 'log'],
  ['authorities that are not a function', { authorities: {} }, 'option_invalid', 'authorities'],
  ['formatDenial that is not a function', { formatDenial: 'x' }, 'option_invalid', 'formatDenial'],
  ['an empty list of trust domains', { trustDomains: [] }, 'option_invalid', 'trustDomains'],
  ['an empty list of namespaces', { namespaces: [] }, 'option_invalid', 'namespaces'],
  ['a namespace with a wildcard', { namespaces: ['*'] }, 'option_invalid', 'wildcards'],
  ['an unknown TLS option', { tls: { ciphers: 'x' } }, 'option_unknown', 'minVersion'],
  ['a TLS version that is too old', { tls: { minVersion: 'TLSv1.1' } }, 'option_invalid', 'TLSv1.2'],
  ['an empty list of rules', { rules: [] }, 'option_invalid', 'rules'],
] as const) {
  test(`rejects ${name}`, () => {
    const error = refusal(options)
    assert.equal(error.code, code)
    assert.match(error.message, new RegExp(words.replaceAll('*', '\\*')))
  })
}

test('rejects options that are not an object', () => {
  assert.throws(() => Reflect.apply(createGuard, undefined, [undefined]), ConfigurationError)
})

test('accepts namespaces and trust domains that the source has', () => {
  const options: GuardOptions = { source, rules, trustDomains: ['spiffe://saas.example'], namespaces: ['a', 'b'] }
  assert.doesNotThrow(() => createGuard(options))
})

test('rejects an invalid trust domain name', () => {
  const options: GuardOptions = { source, rules, trustDomains: ['Partner.example'] }
  assert.throws(() => createGuard(options), SpiffeIdError)
})

test('starts with a trust domain without a bundle, and reports what to check', () => {
  const events: CountersignEvent[] = []
  createGuard({ source, rules, trustDomains: ['saas.exmaple', 'saas.example'], log: (event) => events.push(event) })
  assert.deepEqual(
    events.map((event) => event.type === 'source' && [event.outcome, event.code, event.trustDomain]),
    [['warning', 'bundle_empty', 'saas.exmaple']],
  )
  const [event] = events
  assert.ok(event?.type === 'source')
  assert.match(event.detail, /trustDomains: found 'saas\.exmaple', .*it has 'saas\.example'.*check the spelling/)
})

test('does not start with a closed source', async () => {
  const svid = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  const bundles = { 'saas.example': authority.bundlePem }
  const closed = staticSource({ key: svid.keyPem, cert: svid.certificatePem, bundles })
  await closed.close()
  assert.throws(() => createGuard({ source: closed, rules }), SourceError)
})
