import assert from 'node:assert/strict'
import test from 'node:test'
import { compilePolicies } from '../../packages/authorization/src/policy/compile-policies.ts'
import { parsePolicies } from '../../packages/authorization/src/policy/parse-policies.ts'
import { createPossibleWorkloads } from '../../packages/core/src/principal/possible-callers.ts'
import { ConfigurationError } from '../../packages/spiffe/src/errors.ts'
import { local } from './request-of.ts'

test('returns a frozen copy', () => {
  const given = {
    name: 'a',
    action: 'ALLOW',
    from: [{ callers: ['spiffe://saas.example/x'], credentials: ['x509-svid'] }, {}],
    to: [{ methods: ['GET'], paths: ['/a/**'], hosts: ['API.example'], ports: [1] }],
    when: [{ header: 'X-Tenant', values: ['a*'] }],
    maxLifetime: '1h',
    breakGlass: true,
    audit: { until: '2020-01-01T00:00:00Z' },
    declaredAt: 'a.yaml:1:2',
  }
  const [parsed] = parsePolicies([given])
  assert.deepEqual(parsed, {
    ...given,
    to: [{ ...given.to[0], hosts: ['api.example'] }],
    when: [{ header: 'x-tenant', values: ['a*'] }],
    maxLifetime: 3_600_000,
  })
  for (const part of [parsed, parsed?.from, parsed?.from?.[0], parsed?.from?.[0]?.callers, parsed?.when?.[0]?.values]) {
    assert.ok(Object.isFrozen(part))
  }
  assert.deepEqual(parsePolicies([parsed]), [parsed])
  assert.deepEqual(parsePolicies([]), [])
})

const allow = { name: 'a', action: 'ALLOW' }
const deny = { name: 'a', action: 'DENY' }
const from = (entry: unknown): unknown => ({ ...allow, from: [entry] })
const to = (entry: unknown): unknown => ({ ...allow, to: [entry] })
const when = (entry: unknown): unknown => ({ ...allow, when: [entry] })

const mistakes: readonly (readonly [policy: unknown, where: string, message: RegExp])[] = [
  [null, 'policies[0]', /options such as name/],
  [{ action: 'ALLOW' }, 'policies[0].name', /non-empty/],
  [{ ...allow, name: ' a' }, 'policies[0].name', /space/],
  [{ ...allow, name: 'a\n' }, 'policies[0].name', /control/],
  [{ ...allow, name: 'a'.repeat(257) }, 'policies[0].name', /256/],
  [{ name: 'a' }, 'policies[0].action', /'ALLOW' or 'DENY'/],
  [{ name: 'a', action: 'deny' }, 'policies[0].action', /did you mean 'DENY'/],
  [{ ...allow, form: [] }, 'policies[0]', /did you mean 'from'/],
  [{ ...allow, from: [] }, 'policies[0].from', /at least one/],
  [{ ...allow, to: {} }, 'policies[0].to', /a list/],
  [{ ...allow, when: [] }, 'policies[0].when', /at least one/],
  [from({ caller: ['spiffe://a/b'] }), 'policies[0].from[0]', /did you mean 'callers'/],
  [from('spiffe://a/b'), 'policies[0].from[0]', /\{ callers: \['spiffe:\/\/a\/b'\] \}/],
  [from({ callers: [] }), 'policies[0].from[0].callers', /at least one/],
  [from({ callers: 'spiffe://a/b' }), 'policies[0].from[0].callers', /a list/],
  [from({ callers: ['spiffe://a/b', 'spiffe://a/b'] }), 'policies[0].from[0].callers[1]', /once/],
  [from({ callers: ['SERVICE_x'] }), 'policies[0].from[0].callers[0]', /authorities: \['SERVICE_x'\]/],
  [from({ callers: ['spiffe://a'] }), 'policies[0].from[0].callers[0]', /trustDomains: \['a'\]/],
  [from({ callers: ['spiffe://a/x*'] }), 'policies[0].from[0].callers[0]', /whole path segment/],
  [from({ callers: ['spiffe://a/(x)'] }), 'policies[0].from[0].callers[0]', /not a SPIFFE ID/],
  [from({ serviceAccounts: ['a'] }), 'policies[0].from[0].serviceAccounts[0]', /namespaces/],
  [from({ notServiceAccounts: ['a/b/c'] }), 'policies[0].from[0].notServiceAccounts[0]', /namespaces/],
  [from({ namespaces: ['a/b'] }), 'policies[0].from[0].namespaces[0]', /serviceAccounts/],
  [from({ trustDomains: ['spiffe://a/b'] }), 'policies[0].from[0].trustDomains[0]', /callers/],
  [from({ authorities: [' a'] }), 'policies[0].from[0].authorities[0]', /space/],
  [from({ credentials: ['x509'] }), 'policies[0].from[0].credentials[0]', /x509-svid/],
  [from({ anonymous: false }), 'policies[0].from[0].anonymous', /true/],
  [from({ anonymous: true, callers: ['spiffe://a/b'] }), 'policies[0].from[0]', /anonymous and callers/],
  [from({ anonymous: true, notAuthorities: ['a'] }), 'policies[0].from[0]', /anonymous and notAuthorities/],
  [from({ anonymous: true, credentials: ['asserted'] }), 'policies[0].from[0]', /anonymous and credentials/],
  [from({ namespaces: ['a'], notNamespaces: ['b', 'a'] }), 'policies[0].from[0].notNamespaces[1]', /does not list/],
  [
    from({ credentials: ['forwarded'], notCredentials: ['forwarded'] }),
    'policies[0].from[0].notCredentials[0]',
    /list/,
  ],
  [from({ ipBlocks: ['10.1.2.3/8'] }), 'policies[0].from[0].ipBlocks[0]', /'10\.0\.0\.0\/8'/],
  [from({ ipBlocks: ['2001:db8::1/32'] }), 'policies[0].from[0].ipBlocks[0]', /'2001:db8::\/32'/],
  [from({ ipBlocks: ['2001:db8:0:1:2::/64'] }), 'policies[0].from[0].ipBlocks[0]', /'2001:db8:0:1::\/64'/],
  [from({ ipBlocks: ['::1/0'] }), 'policies[0].from[0].ipBlocks[0]', /'::\/0'/],
  [from({ ipBlocks: ['10.0.0.0/33'] }), 'policies[0].from[0].ipBlocks[0]', /0 to 32/],
  [from({ ipBlocks: ['10.0.0.0/08'] }), 'policies[0].from[0].ipBlocks[0]', /0 to 32/],
  [from({ ipBlocks: ['::/129'] }), 'policies[0].from[0].ipBlocks[0]', /0 to 128/],
  [from({ ipBlocks: ['10.0.0.0/8/8'] }), 'policies[0].from[0].ipBlocks[0]', /an address or a block/],
  [from({ ipBlocks: ['010.0.0.1'] }), 'policies[0].from[0].ipBlocks[0]', /an address or a block/],
  [from({ ipBlocks: ['10.0.0.256'] }), 'policies[0].from[0].ipBlocks[0]', /an address or a block/],
  [from({ ipBlocks: ['1::2::3'] }), 'policies[0].from[0].ipBlocks[0]', /an address or a block/],
  [from({ ipBlocks: ['fe80::1%eth0'] }), 'policies[0].from[0].ipBlocks[0]', /an address or a block/],
  [from({ remoteIpBlocks: ['localhost'] }), 'policies[0].from[0].remoteIpBlocks[0]', /an address or a block/],
  [to('/a'), 'policies[0].to[0]', /\{ paths: \['\/a'\] \}/],
  [to({ path: ['/a'] }), 'policies[0].to[0]', /did you mean 'paths'/],
  [to({ methods: ['get'] }), 'policies[0].to[0].methods[0]', /did you mean 'GET'/],
  [to({ methods: ['GET', 'GET'] }), 'policies[0].to[0].methods[1]', /once/],
  [to({ paths: ['a'] }), 'policies[0].to[0].paths[0]', /leading slash/],
  [to({ paths: ['/a/b*'] }), 'policies[0].to[0].paths[0]', /whole segment/],
  [to({ paths: ['/a'], notPaths: ['/a'] }), 'policies[0].to[0].notPaths[0]', /does not list/],
  [to({ hosts: ['api.example:8443'] }), 'policies[0].to[0].hosts[0]', /'api\.example' without the port/],
  [to({ hosts: ['https://api.example'] }), 'policies[0].to[0].hosts[0]', /scheme/],
  [to({ hosts: ['api.example.'] }), 'policies[0].to[0].hosts[0]', /last dot/],
  [to({ hosts: ['*'] }), 'policies[0].to[0].hosts[0]', /leave out/],
  [to({ hosts: ['a.*.example'] }), 'policies[0].to[0].hosts[0]', /in front/],
  [to({ hosts: ['a..b'] }), 'policies[0].to[0].hosts[0]', /host name/],
  [to({ hosts: ['API.example', 'api.example'] }), 'policies[0].to[0].hosts[1]', /once/],
  [to({ ports: ['8443'] }), 'policies[0].to[0].ports[0]', /1 to 65535/],
  [to({ ports: [0] }), 'policies[0].to[0].ports[0]', /1 to 65535/],
  [to({ ports: [] }), 'policies[0].to[0].ports', /at least one/],
  [to({ ports: [1, 1] }), 'policies[0].to[0].ports[1]', /once/],
  [when({ header: 'x-a' }), 'policies[0].when[0]', /values or notValues/],
  [when({ header: 'x a', values: ['a'] }), 'policies[0].when[0].header', /name of a header/],
  [when({ header: ':authority', values: ['a'] }), 'policies[0].when[0].header', /name of a header/],
  [when({ header: 'x-a', values: [' a'] }), 'policies[0].when[0].values[0]', /space/],
  [when({ header: 'x-a', values: ['a*b'] }), 'policies[0].when[0].values[0]', /one '\*'/],
  [when({ header: 'x-a', values: ['*a*'] }), 'policies[0].when[0].values[0]', /one '\*'/],
  [when({ header: 'x-a', values: ['**'] }), 'policies[0].when[0].values[0]', /one '\*'/],
  [when({ header: 'x-a', values: ['a'], notValues: ['a'] }), 'policies[0].when[0].notValues[0]', /does not list/],
  [{ ...allow, breakGlass: true }, 'policies[0].breakGlass', /maxLifetime/],
  [{ ...allow, breakGlass: true, maxLifetime: '25h' }, 'policies[0].maxLifetime', /24h/],
  [{ ...allow, breakGlass: false, maxLifetime: '1h' }, 'policies[0].breakGlass', /true/],
  [{ ...deny, breakGlass: true, maxLifetime: '1h' }, 'policies[0].breakGlass', /ALLOW/],
  [{ ...deny, maxLifetime: '1h' }, 'policies[0].maxLifetime', /ALLOW/],
  [{ ...allow, maxLifetime: 5 }, 'policies[0].maxLifetime', /60000/],
  [{ ...allow, audit: true }, 'policies[0].audit', /until/],
  [{ ...allow, audit: { until: '2030' } }, 'policies[0].audit.until', /time zone/],
]

test('refuses each mistake with its place and what to write instead', () => {
  for (const [policy, where, message] of mistakes) {
    assert.throws(
      () => parsePolicies([policy]),
      (error) => {
        assert.ok(error instanceof ConfigurationError, String(error))
        assert.equal(error.where, where, error.message)
        assert.ok(error.message.startsWith(`${where}: `), error.message)
        assert.match(error.message, message)
        return true
      },
      JSON.stringify(policy),
    )
  }
})

test('refuses two policies with one name', () => {
  const where = /policy\[1\]\.name: found 'a', expected a name other than that of policy\[0\]/
  assert.throws(() => parsePolicies([allow, deny], 'policy'), where)
  assert.throws(() => parsePolicies('a'), /policies: found 'a', expected a list/)
})

test('refuses headers that carry a credential, identify a caller or route the request', () => {
  const refused = {
    authorization: /credentials/,
    'proxy-authorization': /credentials/,
    cookie: /credentials/,
    dpop: /credentials/,
    'client-cert': /callers/,
    'X-Forwarded-Client-Cert': /callers/,
    'x-forwarded-tls-client-cert-info': /callers/,
    'ssl-client-subject-dn': /callers/,
    'x-ssl-client-cn': /callers/,
    'l5d-client-id': /callers/,
    'x-amzn-mtls-clientcert-leaf': /callers/,
    'x-forwarded-for': /remoteIpBlocks/,
    forwarded: /remoteIpBlocks/,
    'x-real-ip': /remoteIpBlocks/,
    'true-client-ip': /remoteIpBlocks/,
    host: /hosts/,
    'x-forwarded-host': /hosts/,
    'x-forwarded-port': /ports/,
    'x-original-url': /paths/,
    'x-http-method-override': /methods/,
    'transfer-encoding': /connection/,
  }
  for (const [header, instead] of Object.entries(refused)) {
    assert.throws(() => parsePolicies([when({ header, values: ['a'] })]), instead, header)
  }
  for (const header of ['x-tenant', 'accept', 'content-type', 'user-agent', 'x-request-id']) {
    assert.equal(parsePolicies([when({ header, values: ['a'] })]).length, 1)
  }
})

test('refuses callers that cannot exist, at their place', () => {
  const policy = { localTrustDomain: 'saas.example', namespaces: new Set<string>(), authorities: undefined }
  const context = { ...local, callers: createPossibleWorkloads(['saas.example'], policy) }
  const wrong = {
    callers: 'spiffe://saas.exampel/x',
    trustDomains: 'saas.exampel',
    authorities: 'ADMIN',
    credentials: 'asserted',
  }
  for (const [field, value] of Object.entries(wrong)) {
    assert.throws(() => compilePolicies([from({ [field]: [value] })], context), { code: 'rule_invalid' }, field)
  }
  const denied = { ...deny, from: [{ credentials: ['asserted'] }] }
  assert.equal(compilePolicies([denied], context).policies.length, 1)
  assert.throws(() => compilePolicies([{ ...deny, from: [{ trustDomains: ['saas.exampel'] }] }], context), {
    where: 'policies[0].from[0].trustDomains[0]',
  })
})

test('refuses fields that use SPIFFE IDs if callers have none', () => {
  const context = { localTrustDomain: undefined, isAllowRequired: false }
  for (const field of ['callers', 'notCallers', 'namespaces', 'notServiceAccounts', 'trustDomains'] as const) {
    const value = { callers: 'spiffe://a/b', notCallers: 'spiffe://a/b', notServiceAccounts: 'a/b' }
    const entry = { [field]: [field in value ? Reflect.get(value, field) : 'a'] }
    assert.throws(() => compilePolicies([from(entry)], context), /CA without SPIFFE/)
  }
  assert.equal(compilePolicies([from({ authorities: ['a'] })], context).policies.length, 1)
})
