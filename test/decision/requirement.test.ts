import assert from 'node:assert/strict'
import test from 'node:test'
import { compileRequirement, compileRouteRequirement } from '../../packages/authorization/src/compile-requirement.ts'
import { describeRequirement } from '../../packages/authorization/src/describe-requirement.ts'
import * as spell from '../../packages/authorization/src/requirement.ts'
import { ConfigurationError, type ConfigurationErrorCode } from '../../packages/spiffe/src/errors.ts'

const context = { where: 'allow', localTrustDomain: 'saas.example' }

const isOpen = (): boolean => true

test('represents requirements as plain frozen data', () => {
  const spelt: readonly (readonly [found: spell.Requirement, expected: unknown, text: string])[] = [
    [spell.hasAuthority('A'), { hasAuthority: 'A' }, "hasAuthority('A')"],
    [spell.hasAnyAuthority('A', 'B'), { hasAnyAuthority: ['A', 'B'] }, "hasAnyAuthority('A', 'B')"],
    [spell.hasAllAuthorities('A'), { hasAllAuthorities: ['A'] }, "hasAllAuthorities('A')"],
    [spell.authenticated(), { authenticated: true }, 'authenticated()'],
    [spell.permitAll(), { permitAll: true }, 'permitAll()'],
    [spell.denyAll(), { denyAll: true }, 'denyAll()'],
    [spell.callers('spiffe://a/*'), { callers: ['spiffe://a/*'] }, "callers('spiffe://a/*')"],
    [spell.serviceAccounts('n/s'), { serviceAccounts: ['n/s'] }, "serviceAccounts('n/s')"],
    [spell.inNamespace('n'), { inNamespace: ['n'] }, "inNamespace('n')"],
    [spell.inTrustDomain('a.b'), { inTrustDomain: ['a.b'] }, "inTrustDomain('a.b')"],
    [spell.allOf(spell.denyAll()), { allOf: [{ denyAll: true }] }, 'allOf(denyAll())'],
    [
      spell.anyOf(spell.hasAuthority('A'), spell.permitAll()),
      { anyOf: [{ hasAuthority: 'A' }, { permitAll: true }] },
      "anyOf(hasAuthority('A'), permitAll())",
    ],
    [spell.custom('open', isOpen), { custom: { name: 'open', test: isOpen } }, "custom('open')"],
    [spell.provenBy('jwt-svid'), { provenBy: ['jwt-svid'] }, "provenBy('jwt-svid')"],
    [
      spell.anyOf(spell.anonymous(), spell.denyAll()),
      { anyOf: [{ anonymous: true }, { denyAll: true }] },
      'anyOf(anonymous(), denyAll())',
    ],
    [spell.perRoute(), { perRoute: true }, 'perRoute()'],
  ]
  for (const [found, expected, text] of spelt) {
    assert.deepEqual(found, expected)
    assert.equal(describeRequirement(found), text)
    assert.ok(isDeepFrozen(found), text)
    assert.deepEqual(compileRequirement(found, context).source, expected)
  }
})

test('accepts a list of strings for callers', () => {
  assert.deepEqual(compileRequirement(['spiffe://a/x'], context).source, { callers: ['spiffe://a/x'] })
})

test('copies its input, so that later changes have no effect', () => {
  const input = { anyOf: [{ hasAnyAuthority: ['A'] }] }
  const { source } = compileRequirement(input, context)
  input.anyOf[0]?.hasAnyAuthority.push('B')
  input.anyOf.length = 0
  assert.deepEqual(source, { anyOf: [{ hasAnyAuthority: ['A'] }] })
  assert.ok(isDeepFrozen(source))
})

const refused: readonly (readonly [name: string, input: unknown, code: ConfigurationErrorCode])[] = [
  ['nothing', undefined, 'option_invalid'],
  ['a number', 1, 'option_invalid'],
  ['a function', () => true, 'option_invalid'],
  ['a bare authority', 'SERVICE_x', 'option_invalid'],
  ['a bare SPIFFE ID', 'spiffe://a/x', 'option_invalid'],
  ['an empty list of callers', [], 'option_invalid'],
  ['a list with something that is not a string', [1], 'option_invalid'],
  ['an authority in a list of callers', ['SERVICE_x'], 'rule_invalid'],
  ['no kind', {}, 'rule_invalid'],
  ['two kinds at once', { hasAuthority: 'A', inNamespace: ['n'] }, 'rule_invalid'],
  ['a misspelt kind', { hasAuthorty: 'A' }, 'option_unknown'],
  ['an inherited name', { toString: true }, 'option_unknown'],
  ['an empty authority', { hasAuthority: '' }, 'option_invalid'],
  ['an authority that is not a string', { hasAuthority: ['A'] }, 'option_invalid'],
  ['a missing authority', { hasAuthority: undefined }, 'option_invalid'],
  ['an authority of spaces', { hasAuthority: ' ' }, 'rule_invalid'],
  ['an authority with a space at its end', { hasAuthority: 'A ' }, 'rule_invalid'],
  ['an authority with a line break', { hasAnyAuthority: ['A\nB'] }, 'rule_invalid'],
  ['no authorities', { hasAnyAuthority: [] }, 'option_invalid'],
  ['an empty list of required authorities', { hasAllAuthorities: [] }, 'option_invalid'],
  ['an empty string among authorities', { hasAllAuthorities: ['A', ''] }, 'option_invalid'],
  ['authenticated: false', { authenticated: false }, 'option_invalid'],
  ['permitAll: false', { permitAll: false }, 'option_invalid'],
  ['denyAll: 1', { denyAll: 1 }, 'option_invalid'],
  ['perRoute: "yes"', { perRoute: 'yes' }, 'option_invalid'],
  ['callers as a string', { callers: 'spiffe://a/x' }, 'option_invalid'],
  ['a wildcard in the trust domain', { callers: ['spiffe://*/x'] }, 'rule_invalid'],
  ['a service account without namespace', { serviceAccounts: ['core-api'] }, 'rule_invalid'],
  ['a service account of three parts', { serviceAccounts: ['a/b/c'] }, 'rule_invalid'],
  ['a service account with an empty part', { serviceAccounts: ['a/'] }, 'rule_invalid'],
  ['a service account with a wildcard', { serviceAccounts: ['production/*'] }, 'rule_invalid'],
  ['a namespace that is a pair', { inNamespace: ['a/b'] }, 'rule_invalid'],
  ['a namespace with a wildcard', { inNamespace: ['*'] }, 'rule_invalid'],
  ['a namespace that is a dot segment', { inNamespace: ['..'] }, 'rule_invalid'],
  ['a trust domain with upper case', { inTrustDomain: ['SaaS.example'] }, 'rule_invalid'],
  ['a SPIFFE ID instead of its trust domain', { inTrustDomain: ['spiffe://a/x'] }, 'rule_invalid'],
  ['an empty allOf', { allOf: [] }, 'option_invalid'],
  ['an empty anyOf', { anyOf: [] }, 'option_invalid'],
  ['allOf one requirement without a list', { allOf: { permitAll: true } }, 'option_invalid'],
  ['anyOf with an invalid requirement', { anyOf: [{ hasAuthority: 'A' }, {}] }, 'rule_invalid'],
  ['perRoute inside another requirement', { anyOf: [{ perRoute: true }] }, 'rule_invalid'],
  ['a nested perRoute', { allOf: [{ allOf: [{ perRoute: true }] }] }, 'rule_invalid'],
  ['a custom requirement without name', { custom: { test: () => true } }, 'option_invalid'],
  ['a custom requirement without test', { custom: { name: 'x' } }, 'option_invalid'],
  ['a custom requirement with an unknown key', { custom: { name: 'x', tset: () => true } }, 'option_unknown'],
  ['a custom requirement that waits', { custom: { name: 'x', test: async () => true } }, 'rule_invalid'],
  ['a requirement that contains itself', containItself(), 'rule_invalid'],
]

for (const [name, input, code] of refused) {
  test(`rejects at startup: ${name}`, () => {
    assert.throws(() => compileRequirement(input, context), isRefusal(code))
  })
}

test('rejects empty arguments when a requirement is created', () => {
  const calls = [
    () => spell.hasAuthority(''),
    () => spell.hasAnyAuthority(),
    () => spell.hasAllAuthorities(),
    () => spell.callers(),
    () => spell.serviceAccounts(),
    () => spell.inNamespace(),
    () => spell.inTrustDomain(),
    () => spell.allOf(),
    () => spell.anyOf(),
    () => spell.custom('', () => true),
  ]
  for (const call of calls) assert.throws(call, isRefusal('option_invalid'), String(call))
})

test('suggests the nearest kind, and what a plain string was meant to be', () => {
  assert.match(messageOf({ hasAuthorty: 'A' }), /hasAuthority/)
  assert.match(messageOf('SERVICE_x'), /hasAuthority\('SERVICE_x'\)/)
  assert.match(messageOf('spiffe://a/x'), /callers\('spiffe:\/\/a\/x'\)/)
  assert.match(messageOf(['SERVICE_x']), /hasAuthority\('SERVICE_x'\)/)
  assert.match(
    messageOf({ anyOf: [{ allOf: [{ hasAuthority: ' ' }] }] }),
    /allow\.anyOf\[0\]\.allOf\[0\]\.hasAuthority/,
  )
})

test('rejects perRoute as the requirement of a route', () => {
  assert.throws(() => compileRouteRequirement(spell.perRoute(), context), isRefusal('rule_invalid'))
  assert.deepEqual(compileRouteRequirement(spell.permitAll(), context).source, { permitAll: true })
})

function messageOf(input: unknown): string {
  try {
    compileRequirement(input, context)
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
  return ''
}

function containItself(): unknown {
  const parts: unknown[] = []
  const requirement = { anyOf: parts }
  parts.push(requirement)
  return requirement
}

function isDeepFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isDeepFrozen)
}

function isRefusal(code: ConfigurationErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ConfigurationError && error.code === code
}
