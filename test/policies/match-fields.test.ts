import assert from 'node:assert/strict'
import test from 'node:test'
import { compilePolicies } from '../../packages/authorization/src/policy/compile-policies.ts'
import type { Policy, PolicyFrom, PolicyHeader, PolicyTo } from '../../packages/authorization/src/policy/policy.ts'
import type { CredentialKind } from '../../packages/authorization/src/principal.ts'
import { createNamedCaller } from '../decision/caller.ts'
import { type Asked, factsOf, isMatch, local, workload } from './request-of.ts'

const coreApi = workload('spiffe://saas.example/ns/production/sa/core-api', { authorities: ['READ', 'WRITE'] })
const partner = workload('spiffe://partner.example/ns/production/sa/core-api')
const named = createNamedCaller('legacy', 'READ')

const callers: readonly (readonly [entry: PolicyFrom, matches: readonly string[]])[] = [
  [{}, ['core-api', 'partner', 'named']],
  [{ callers: ['spiffe://saas.example/ns/production/sa/core-api'] }, ['core-api']],
  [{ callers: ['spiffe://saas.example/ns/*/sa/core-api'] }, ['core-api']],
  [{ callers: ['spiffe://partner.example/ns/**'] }, ['partner']],
  [{ serviceAccounts: ['production/core-api'] }, ['core-api']],
  [{ serviceAccounts: ['production/other'] }, []],
  [{ namespaces: ['production'] }, ['core-api']],
  [{ trustDomains: ['partner.example', 'saas.example'] }, ['core-api', 'partner']],
  [{ authorities: ['READ'] }, ['core-api', 'named']],
  [{ authorities: ['ADMIN', 'WRITE'] }, ['core-api']],
  [{ credentials: ['x509-subject'] }, ['named']],
  [{ authorities: ['READ'], trustDomains: ['saas.example'] }, ['core-api']],
  [{ namespaces: ['production'], authorities: ['ADMIN'] }, []],
]
const negatives: readonly (readonly [entry: PolicyFrom, matches: readonly string[]])[] = [
  [{ notCallers: ['spiffe://saas.example/**'] }, ['partner', 'named']],
  [{ notServiceAccounts: ['production/core-api'] }, ['partner', 'named']],
  [{ notNamespaces: ['production'] }, ['partner', 'named']],
  [{ notTrustDomains: ['saas.example'] }, ['partner', 'named']],
  [{ notAuthorities: ['WRITE'] }, ['partner', 'named']],
  [{ notCredentials: ['x509-svid'] }, ['named']],
  [{ trustDomains: ['saas.example'], notCallers: ['spiffe://saas.example/ns/production/sa/core-api'] }, []],
]
const everyone = { 'core-api': coreApi, partner, named }

for (const action of ['ALLOW', 'DENY'] as const) {
  test(`${action} policies compare callers field by field`, () => {
    for (const [entry, expected] of [...callers, ...negatives]) {
      const found = Object.entries(everyone).flatMap(([name, principal]) =>
        isMatch({ action, from: [entry] }, { principal }) ? [name] : [],
      )
      assert.deepEqual(found, expected, JSON.stringify(entry))
    }
  })
}

test('an ALLOW policy matches an anonymous caller only by anonymous or without from', () => {
  for (const [entry] of [...callers, ...negatives]) {
    assert.equal(isMatch({ action: 'ALLOW', from: [entry] }), false, JSON.stringify(entry))
  }
  assert.equal(isMatch({ action: 'ALLOW' }), true)
  assert.equal(isMatch({ action: 'ALLOW', from: [{ anonymous: true }] }), true)
  assert.equal(isMatch({ action: 'ALLOW', from: [{ anonymous: true }] }, { principal: coreApi }), false)
  assert.equal(isMatch({ action: 'ALLOW', from: [{ anonymous: true, ipBlocks: ['10.0.0.0/8'] }] }), true)
  assert.equal(isMatch({ action: 'ALLOW', from: [{ anonymous: true, notIpBlocks: ['10.0.0.0/8'] }] }), false)
})

test('a DENY policy matches an anonymous caller by negative fields, not by positive ones', () => {
  const positive = callers.filter(([entry]) => Object.keys(entry).length > 0)
  for (const [entry] of positive) assert.equal(isMatch({ action: 'DENY', from: [entry] }), false, JSON.stringify(entry))
  for (const [entry] of negatives.slice(0, -1)) {
    assert.equal(isMatch({ action: 'DENY', from: [entry] }), true, JSON.stringify(entry))
  }
  assert.equal(isMatch({ action: 'DENY', from: [{}] }), true)
  assert.equal(isMatch({ action: 'DENY', from: [{ anonymous: true }] }), true)
  assert.equal(isMatch({ action: 'DENY', from: [{ anonymous: true }] }, { principal: coreApi }), false)
})

test('an ALLOW policy matches a weak credential only if the entry names it, and a DENY policy matches any', () => {
  for (const credential of ['asserted', 'jwt-svid', 'forwarded', 'x509-svid'] as const) {
    const isWeak = credential === 'asserted' || credential === 'jwt-svid'
    const asked = { principal: workload('spiffe://saas.example/x', { credential }) }
    const isAllowed = (entry: PolicyFrom): boolean => isMatch({ action: 'ALLOW', from: [entry] }, asked)
    assert.equal(isAllowed({}), !isWeak)
    assert.equal(isAllowed({ trustDomains: ['saas.example'] }), !isWeak)
    assert.equal(isAllowed({ notCredentials: ['x509-subject'] }), !isWeak)
    assert.equal(isAllowed({ trustDomains: ['saas.example'], credentials: [credential] }), true)
    assert.equal(isAllowed({ credentials: strongOther(credential) }), false)
    assert.equal(isMatch({ action: 'ALLOW' }, asked), true)
    assert.equal(isMatch({ action: 'DENY', from: [{ trustDomains: ['saas.example'] }] }, asked), true)
  }
})

function strongOther(credential: CredentialKind): readonly CredentialKind[] {
  return credential === 'x509-subject' ? ['forwarded'] : ['x509-subject']
}

const operations: readonly (readonly [entry: PolicyTo, asked: Asked, matches: boolean])[] = [
  [{}, {}, true],
  [{ methods: ['GET'] }, { method: 'HEAD' }, true],
  [{ methods: ['POST'] }, {}, false],
  [{ notMethods: ['GET'] }, { method: 'HEAD' }, false],
  [{ notMethods: ['POST'] }, {}, true],
  [{ paths: ['/a/*'] }, { path: '/a/b' }, true],
  [{ paths: ['/a/*'] }, { path: '/a/b/c' }, false],
  [{ paths: ['/b', '/a/**'] }, { path: '/a' }, true],
  [{ notPaths: ['/a/**'] }, { path: '/a/b' }, false],
  [{ notPaths: ['/a/**'] }, { path: '/b' }, true],
  [{ paths: ['/**'], notPaths: ['/admin'] }, { path: '/admin' }, false],
  [{ hosts: ['api.example'] }, {}, true],
  [{ hosts: ['API.example'] }, { facts: factsOf({ host: 'Api.Example.:8443' }) }, true],
  [{ hosts: ['*.example'] }, {}, true],
  [{ hosts: ['*.api.example'] }, {}, false],
  [{ hosts: ['*.api.example'] }, { facts: factsOf({ host: 'a.b.api.example' }) }, true],
  [{ hosts: ['[::1]'] }, { facts: factsOf({ host: '[::1]:8443' }) }, true],
  [{ notHosts: ['api.example'] }, { facts: factsOf({ host: 'api.example.' }) }, false],
  [{ notHosts: ['*.api.example'] }, {}, true],
  [{ ports: [8443, 9443] }, {}, true],
  [{ ports: [443] }, {}, false],
  [{ notPorts: [8443] }, {}, false],
  [{ notPorts: [443] }, {}, true],
  [{ methods: ['GET'], paths: ['/a'], ports: [8443] }, { path: '/b' }, false],
]

for (const action of ['ALLOW', 'DENY'] as const) {
  test(`${action} policies compare operations field by field`, () => {
    for (const [entry, asked, expected] of operations) {
      assert.equal(isMatch({ action, to: [entry] }, { principal: coreApi, ...asked }), expected, JSON.stringify(entry))
    }
  })
}

const addresses: readonly (readonly [address: string, block: string, matches: boolean])[] = [
  ['10.0.0.1', '10.0.0.1', true],
  ['10.0.0.1', '10.0.0.0/8', true],
  ['11.0.0.1', '10.0.0.0/8', false],
  ['::ffff:10.0.0.1', '10.0.0.1', true],
  ['::ffff:10.0.0.1', '10.0.0.0/8', true],
  ['::ffff:a00:1', '10.0.0.0/8', true],
  ['10.0.0.1', '::ffff:10.0.0.0/104', true],
  ['10.0.0.1', '::/0', true],
  ['2001:db8::1', '0.0.0.0/0', false],
  ['2001:db8::1', '2001:DB8::/32', true],
  ['2001:db9::1', '2001:db8::/32', false],
  ['fe80::1%eth0', 'fe80::/10', true],
  ['255.255.255.255', '128.0.0.0/1', true],
]

for (const action of ['ALLOW', 'DENY'] as const) {
  test(`${action} policies compare addresses of the connection and of the caller behind a proxy`, () => {
    for (const [address, block, expected] of addresses) {
      const socket = { principal: coreApi, facts: factsOf({ socketAddress: address, remoteAddress: undefined }) }
      const remote = { principal: coreApi, facts: factsOf({ remoteAddress: address, socketAddress: undefined }) }
      const what = `${address} in ${block}`
      assert.equal(isMatch({ action, from: [{ ipBlocks: [block] }] }, socket), expected, what)
      assert.equal(isMatch({ action, from: [{ notIpBlocks: [block] }] }, socket), !expected, what)
      assert.equal(isMatch({ action, from: [{ remoteIpBlocks: [block] }] }, remote), expected, what)
      assert.equal(isMatch({ action, from: [{ notRemoteIpBlocks: [block] }] }, remote), !expected, what)
    }
  })
}

test('what is not known makes a DENY policy match and an ALLOW policy not', () => {
  const unknown = { host: undefined, port: undefined, socketAddress: undefined, remoteAddress: 'not an address' }
  const parts: readonly Partial<Policy>[] = [
    { from: [{ ipBlocks: ['10.0.0.1'] }] },
    { from: [{ notIpBlocks: ['10.0.0.1'] }] },
    { from: [{ remoteIpBlocks: ['10.0.0.1'] }] },
    { from: [{ notRemoteIpBlocks: ['10.0.0.1'] }] },
    { to: [{ hosts: ['api.example'] }] },
    { to: [{ notHosts: ['api.example'] }] },
    { to: [{ ports: [1] }] },
    { to: [{ notPorts: [1] }] },
    { when: [{ header: 'x-tenant', values: ['a'] }] },
    { when: [{ header: 'x-tenant', notValues: ['a'] }] },
  ]
  for (const part of parts) {
    for (const facts of [undefined, { ...factsOf(unknown), headerLines: () => undefined }]) {
      const asked = { principal: coreApi, facts }
      assert.equal(isMatch({ action: 'ALLOW', ...part }, asked), false, JSON.stringify(part))
      assert.equal(isMatch({ action: 'DENY', ...part }, asked), true, JSON.stringify(part))
    }
    assert.equal(compilePolicies([{ name: 'a', action: 'DENY', ...part }], local).readsFacts, true)
  }
  assert.equal(compilePolicies([{ name: 'a', action: 'DENY', to: [{ paths: ['/'] }] }], local).readsFacts, false)
})

type Lines = readonly string[]
const headers: readonly (readonly [PolicyHeader, Lines, allow: boolean, deny: boolean])[] = [
  [{ header: 'x-a', values: ['a'] }, [], false, false],
  [{ header: 'x-a', notValues: ['a'] }, [], true, true],
  [{ header: 'X-A', values: ['a'] }, ['a'], true, true],
  [{ header: 'x-a', values: ['a'] }, ['A'], false, false],
  [{ header: 'x-a', values: ['a'] }, ['b', 'a'], false, true],
  [{ header: 'x-a', values: ['a'] }, ['a', 'a'], false, true],
  [{ header: 'x-a', values: ['a'] }, ['b, a'], false, true],
  [{ header: 'x-a', values: ['a'] }, ['b,\ta ,c'], false, true],
  [{ header: 'x-a', values: ['b, a'] }, ['b, a'], true, true],
  [{ header: 'x-a', values: ['a*'] }, ['abc'], true, true],
  [{ header: 'x-a', values: ['*c'] }, ['abc'], true, true],
  [{ header: 'x-a', values: ['*b'] }, ['abc'], false, false],
  [{ header: 'x-a', values: ['*'] }, [''], true, true],
  [{ header: 'x-a', notValues: ['*'] }, ['abc'], false, false],
  [{ header: 'x-a', notValues: ['a'] }, ['a'], false, false],
  [{ header: 'x-a', notValues: ['a'] }, ['b'], true, true],
  [{ header: 'x-a', notValues: ['a'] }, ['a', 'b'], false, true],
  [{ header: 'x-a', notValues: ['a'] }, ['b', 'b'], false, true],
  [{ header: 'x-a', notValues: ['a'] }, ['b, a'], false, true],
  [{ header: 'x-a', values: ['a*'], notValues: ['ab'] }, ['ab'], false, false],
  [{ header: 'x-a', values: ['a*'], notValues: ['ab'] }, ['ac'], true, true],
]

test('compares headers: any value for DENY, exactly one line for ALLOW', () => {
  for (const [condition, lines, allow, deny] of headers) {
    const facts = factsOf({ headers: lines.map((line) => ['x-a', line]) })
    const what = `${JSON.stringify(condition)} with ${JSON.stringify(lines)}`
    assert.equal(isMatch({ action: 'ALLOW', when: [condition] }, { facts }), allow, `ALLOW ${what}`)
    assert.equal(isMatch({ action: 'DENY', when: [condition] }, { facts }), deny, `DENY ${what}`)
  }
})
