import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commonName, ConfigurationError, type ConfigurationErrorCode, dnsName } from '@countersign/core'

/** The error for these options, whatever their type. */
function refusal(create: typeof commonName, options: unknown): ConfigurationError {
  try {
    Reflect.apply(create, undefined, [options])
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new assert.AssertionError({ message: 'the identity was created' })
}

class Inherited {
  get 'core-api'(): readonly string[] {
    return []
  }
}

const shapes: readonly (readonly [what: string, options: unknown, code: ConfigurationErrorCode])[] = [
  ['no options', undefined, 'option_invalid'],
  ['an unknown option', { authorities: { 'core-api': [] }, pattern: /CN=(.*)/ }, 'option_unknown'],
  ['a misspelt option', { authorites: { 'core-api': [] } }, 'option_unknown'],
  ['no authorities', {}, 'option_invalid'],
  ['an empty list of names', { authorities: {} }, 'option_invalid'],
  ['names that are only inherited', { authorities: new Inherited() }, 'option_invalid'],
  ['a list instead of the names', { authorities: ['core-api'] }, 'option_invalid'],
  ['a Map instead of the names', { authorities: new Map([['core-api', []]]) }, 'option_invalid'],
  ['authorities as a single string', { authorities: { 'core-api': 'SERVICE_CORE_API' } }, 'option_invalid'],
  ['authorities that are null', { authorities: { 'core-api': null } }, 'option_invalid'],
  ['an empty authority', { authorities: { 'core-api': [''] } }, 'option_invalid'],
  ['an authority that is not a string', { authorities: { 'core-api': ['A', 1] } }, 'option_invalid'],
  ['an authority with a space at its end', { authorities: { 'core-api': ['A', 'B '] } }, 'option_invalid'],
  ['an authority with a control character', { authorities: { 'core-api': ['A\u0000'] } }, 'option_invalid'],
]
for (const [what, options, code] of shapes) {
  test(`rejects ${what}`, () => {
    for (const create of [commonName, dnsName]) assert.equal(refusal(create, options).code, code)
  })
}

for (const [what, name] of [
  ['empty', ''],
  ['longer than 64 characters', 'x'.repeat(65)],
  ['with a leading space', ' core-api'],
  ['with a trailing space', 'core-api '],
  ['with a control character', 'core\tapi'],
  ['with a NUL', 'core-api\0'],
  ['with a zero-width character', 'core\u200bapi'],
  ['with an unpaired surrogate', 'core\ud800'],
  ['with a line separator', 'core\u2028api'],
  ['that is a SPIFFE ID', 'spiffe://saas.example/ns/production/sa/core-api'],
  ['that is a SPIFFE ID in another case', 'SPIFFE://saas.example/core-api'],
] as const) {
  test(`rejects a common name ${what}`, () => {
    const error = refusal(commonName, { authorities: { [name]: [] } })
    assert.equal(error.code, 'option_invalid')
    assert.equal(error.value, name)
  })
}

for (const [what, name] of [
  ['with upper-case letters', 'Order-Service.prod.internal'],
  ['with a wildcard', '*.prod.internal'],
  ['with a trailing period', 'order-service.prod.internal.'],
  ['with an empty label', 'order-service..internal'],
  ['with a port', 'order-service.prod.internal:8443'],
  ['with a scheme', 'https://order-service.prod.internal'],
  ['that starts with a hyphen', '-order.prod.internal'],
  ['with a label that ends with a hyphen', 'order-.prod.internal'],
  ['with a label of 64 characters', `${'x'.repeat(64)}.internal`],
  ['longer than 253 characters', `${'x.'.repeat(126)}xx`],
  ['that is an address', '10.0.0.1'],
  ['that is an IPv6 address', 'fd00::1'],
  ['outside of ASCII', 'b\u00fcro.internal'],
  ['empty', ''],
] as const) {
  test(`rejects a DNS name ${what}`, () => {
    const error = refusal(dnsName, { authorities: { [name]: [] } })
    assert.equal(error.code, 'option_invalid')
    assert.equal(error.value, name)
  })
}

test('accepts names of maximum length, spaces and letters inside a common name, and a single label', () => {
  const names = ['x'.repeat(64), '\u{1f600}'.repeat(64), 'Core API (production)', 'B\u00fcro', 'constructor']
  const authorities = Object.fromEntries(names.map((name) => [name, []]))
  assert.deepEqual(commonName({ authorities }).names, names)
  const hosts = ['localhost', 'order_service', '_x.internal', `${'x'.repeat(63)}.internal`, '1.internal']
  assert.deepEqual(dnsName({ authorities: Object.fromEntries(hosts.map((name) => [name, []])) }).names, hosts)
})

test('returns the authorities of listed names, and nothing for properties that every object has', () => {
  const identity = commonName({
    authorities: { 'core-api': ['SERVICE_CORE_API'], ['__proto__']: ['SERVICE_PROTO'], idle: [] },
  })
  assert.deepEqual(identity.find('core-api'), ['SERVICE_CORE_API'])
  assert.deepEqual(identity.find('idle'), [])
  assert.deepEqual(identity.find('__proto__'), ['SERVICE_PROTO'])
  for (const name of ['constructor', 'toString', 'hasOwnProperty', '', 'CORE-API']) {
    assert.equal(identity.find(name), undefined)
  }
})

test("keeps no reference to the caller's objects", () => {
  const list = ['SERVICE_CORE_API']
  const authorities: Record<string, readonly string[]> = { 'core-api': list }
  const identity = commonName({ authorities })
  list.push('ADMIN')
  authorities['intruder'] = ['ADMIN']
  assert.deepEqual(identity.find('core-api'), ['SERVICE_CORE_API'])
  assert.equal(identity.find('intruder'), undefined)
  assert.ok(Object.isFrozen(identity) && Object.isFrozen(identity.names) && Object.isFrozen(identity.find('core-api')))
})

test('lower-cases DNS names, ASCII only, and leaves common names unchanged', () => {
  const authorities = { 'core-api': [] }
  assert.equal(dnsName({ authorities }).spell('CORE-Api\u212a'), 'core-api\u212a')
  assert.equal(commonName({ authorities }).spell('CORE-Api'), 'CORE-Api')
})
