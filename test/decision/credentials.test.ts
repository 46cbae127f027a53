import assert from 'node:assert/strict'
import test from 'node:test'
import { compileRequirement } from '../../packages/authorization/src/compile-requirement.ts'
import { describeRequirement } from '../../packages/authorization/src/describe-requirement.ts'
import type { CredentialKind } from '../../packages/authorization/src/principal.ts'
import * as spell from '../../packages/authorization/src/requirement.ts'
import { mintPrincipal, type Principal } from '../../packages/core/src/principal/principal.ts'
import { ConfigurationError } from '../../packages/spiffe/src/errors.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'

const context = { where: 'allow', localTrustDomain: 'saas.example' }
const strong: readonly CredentialKind[] = ['x509-svid', 'x509-subject', 'forwarded']
const weak: readonly CredentialKind[] = ['asserted', 'jwt-svid']

const everyKind: readonly spell.Requirement[] = [
  spell.authenticated(),
  spell.hasAuthority('A'),
  spell.hasAnyAuthority('X', 'A'),
  spell.hasAllAuthorities('A'),
  spell.callers('spiffe://saas.example/**'),
  spell.serviceAccounts('production/core-api'),
  spell.inNamespace('production'),
  spell.inTrustDomain('saas.example'),
  spell.custom('everyone', () => true),
]

test('a weak credential satisfies no requirement that does not name it', () => {
  for (const requirement of everyKind) {
    for (const credential of strong) assert.equal(reasonOf(requirement, credential), undefined, credential)
    for (const credential of weak) {
      assert.equal(reasonOf(requirement, credential), 'credential_not_accepted', describeRequirement(requirement))
    }
  }
})

test('provenBy names a credential for every other part of its allOf, and for parts inside those', () => {
  for (const requirement of everyKind) {
    for (const credential of weak) {
      const named = spell.provenBy('x509-svid', credential)
      const other = credential === 'asserted' ? 'jwt-svid' : 'asserted'
      const nested = spell.allOf(spell.anyOf(requirement), named)
      for (const each of [spell.allOf(named, requirement), spell.allOf(requirement, named), nested]) {
        assert.equal(reasonOf(each, credential), undefined, describeRequirement(each))
        assert.equal(reasonOf(each, 'x509-svid'), undefined)
        assert.equal(reasonOf(each, other), 'credential_not_accepted')
        assert.equal(reasonOf(each, 'forwarded'), 'credential_not_accepted')
      }
    }
  }
})

test('naming a credential in one alternative does not admit it to the others', () => {
  const requirement = spell.anyOf(
    spell.allOf(spell.provenBy('jwt-svid'), spell.hasAuthority('X')),
    spell.hasAuthority('A'),
  )
  assert.equal(reasonOf(requirement, 'x509-svid'), undefined)
  assert.equal(reasonOf(requirement, 'jwt-svid'), 'no_alternative')
})

test('permitAll admits every credential', () => {
  for (const credential of [...strong, ...weak]) assert.equal(reasonOf(spell.permitAll(), credential), undefined)
})

test('anonymous admits only callers that are not authenticated', () => {
  const requirement = spell.anyOf(spell.anonymous(), spell.hasAuthority('X'))
  const compiled = compileRequirement(requirement, context)
  assert.equal(reasonOf(requirement, null), undefined)
  assert.equal(reasonOf(requirement, 'x509-svid'), 'no_alternative')
  assert.equal(compiled.admitsAnonymous, true)
})

test('knows which requirements an anonymous caller can meet', () => {
  const met = [
    spell.permitAll(),
    spell.anyOf(spell.hasAuthority('A'), spell.permitAll()),
    spell.allOf(spell.permitAll(), spell.anyOf(spell.anonymous(), spell.denyAll())),
  ]
  const unmet = [...everyKind, spell.denyAll(), spell.perRoute(), spell.allOf(spell.permitAll(), spell.authenticated())]
  for (const each of met) {
    assert.equal(compileRequirement(each, context).admitsAnonymous, true, describeRequirement(each))
    assert.equal(reasonOf(each, null), undefined)
  }
  for (const each of unmet) {
    assert.equal(compileRequirement(each, context).admitsAnonymous, false, describeRequirement(each))
    assert.notEqual(reasonOf(each, null), undefined)
  }
})

test('refuses anonymous() outside anyOf() and without an alternative', () => {
  const lone = [
    spell.anonymous(),
    spell.anyOf(spell.anonymous()),
    spell.anyOf(spell.anonymous(), spell.anonymous()),
    spell.allOf(spell.anonymous()),
    spell.allOf(spell.anonymous(), spell.authenticated()),
    spell.anyOf(spell.authenticated(), spell.allOf(spell.anonymous(), spell.permitAll())),
    spell.anyOf(spell.authenticated(), spell.anyOf(spell.anonymous())),
  ]
  for (const requirement of lone) {
    assert.throws(
      () => compileRequirement(requirement, context),
      (error) => error instanceof ConfigurationError && error.code === 'rule_invalid',
      describeRequirement(requirement),
    )
  }
})

test('refuses an unknown or missing kind of credential', () => {
  for (const kinds of [[], ['x509'], ['x509-svid', 'jwt'], [1]]) {
    assert.throws(() => compileRequirement({ provenBy: kinds }, context), ConfigurationError)
  }
})

function reasonOf(requirement: spell.Requirement, credential: CredentialKind | null): string | undefined {
  const principal = credential === null ? null : createCaller(credential)
  const target = { accepted: true, path: '/', isFoldable: false } as const
  const request = { principal, method: 'GET', target, message: { headers: {} } }
  return compileRequirement(requirement, context).test(request)?.reason
}

function createCaller(credential: CredentialKind): Principal {
  const spiffeId = SpiffeId.parse('spiffe://saas.example/ns/production/sa/core-api')
  const account = { namespace: 'production', serviceAccount: 'core-api' }
  return mintPrincipal({
    name: spiffeId.toString(),
    spiffeId,
    ...account,
    authorities: ['A'],
    credential,
    expiresAt: 0,
  })
}
