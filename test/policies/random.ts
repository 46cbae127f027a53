import * as fc from 'fast-check'
import type { DecisionRequest } from '../../packages/authorization/src/decide.ts'
import type { PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import type { PolicyFacts } from '../../packages/authorization/src/policy/policy-facts.ts'
import type { CredentialKind, Principal } from '../../packages/authorization/src/principal.ts'
import { createNamedCaller } from '../decision/caller.ts'
import { factsOf, requestOf, workload } from './request-of.ts'

type Fields = Readonly<Record<string, unknown>>

// Small vocabularies, so that policies and requests meet often.
const ids = [
  'spiffe://saas.example/ns/production/sa/core-api',
  'spiffe://saas.example/ns/production/sa/billing',
  'spiffe://saas.example/ns/staging/sa/core-api',
  'spiffe://saas.example/ns/production',
  'spiffe://saas.example/machine',
  'spiffe://saas.example',
  'spiffe://partner.example/ns/production/sa/core-api',
]
const patterns = [
  ...ids.filter((id) => id !== 'spiffe://saas.example'),
  'spiffe://saas.example/**',
  'spiffe://saas.example/*',
  'spiffe://saas.example/ns/*/sa/core-api',
  'spiffe://saas.example/ns/production/**',
  'spiffe://saas.example/ns/*/**',
  'spiffe://partner.example/*/*/*/*',
]
const credentials: readonly CredentialKind[] = ['x509-svid', 'forwarded', 'asserted', 'jwt-svid', 'x509-subject']
const blocks = ['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::ffff:10.0.0.0/104', '2001:db8::/32', '2001:db8::1', '::/0']
const addresses = ['10.0.0.1', '10.9.0.1', '::ffff:10.0.0.1', '192.0.2.1', '2001:db8::1', '2001:db8::2%eth0', 'socket']
const paths = [
  '/',
  '/a',
  '/A',
  '/a/',
  '/a/b',
  '/a/b/',
  '/b',
  '/a/b/c',
  '/%61',
  '/a%2Fb',
  '/a/b%40',
  '/a%2fb/c',
  '/a/%62',
]
const pathPatterns = ['/', '/a', '/A', '/a/', '/a/*', '/*', '/*/b', '/a/b', '/a/**', '/**', '/*/**', '/*/*', '/a/b@']
const hosts = ['api.example', 'API.example', 'a.api.example', 'other.example']
const hostPatterns = [...hosts.slice(0, 1), 'a.api.example', '*.api.example', '*.example', 'other.example']
const lines = ['a', 'b', 'ab', 'a, b', 'b,c', '', 'c']
const values = ['a', 'b', 'a*', '*b', '*', 'a, b', 'c']
const authorities = ['READ', 'WRITE', 'ADMIN']
const methods = ['GET', 'POST', 'PUT']

/** A field and its negative form, of which a value is in at most one. */
function pair(field: string, all: readonly unknown[], weight: number = 1): fc.Arbitrary<Fields> {
  const split = fc
    .tuple(fc.subarray([...all], { minLength: 1, maxLength: Math.min(3, all.length) }), fc.nat({ max: 3 }))
    .map(([chosen, kind]) => {
      const not = `not${field.slice(0, 1).toUpperCase()}${field.slice(1)}`
      if (kind < 2) return { [field]: chosen }
      if (kind === 2 || chosen.length === 1) return { [not]: chosen }
      return { [field]: chosen.slice(0, 1), [not]: chosen.slice(1) }
    })
  return fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight, arbitrary: split })
}

function merge(...parts: readonly fc.Arbitrary<Fields>[]): fc.Arbitrary<Fields> {
  return fc.tuple(...parts).map((found) => Object.fromEntries(found.flatMap((part) => Object.entries<unknown>(part))))
}

const from: fc.Arbitrary<Fields> = fc.oneof(
  {
    weight: 5,
    arbitrary: merge(
      pair('callers', patterns),
      pair('serviceAccounts', ['production/core-api', 'production/billing']),
      pair('namespaces', ['production', 'staging']),
      pair('trustDomains', ['saas.example', 'partner.example']),
      pair('authorities', authorities),
      pair('credentials', credentials),
      pair('ipBlocks', blocks),
      pair('remoteIpBlocks', blocks),
    ),
  },
  { weight: 1, arbitrary: pair('ipBlocks', blocks).map((found) => ({ anonymous: true, ...found })) },
)
const to: fc.Arbitrary<Fields> = merge(
  pair('methods', methods),
  pair('paths', pathPatterns, 3),
  pair('hosts', hostPatterns),
  pair('ports', [8443, 9443]),
)
const header = merge(pair('values', values), fc.constant({ header: 'x-a' })).filter(
  (found) => Object.keys(found).length > 1,
)
const optionalList = <Entry>(entry: fc.Arbitrary<Entry>): fc.Arbitrary<readonly Entry[] | undefined> =>
  fc.option(fc.array(entry, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 2 })

interface Draft {
  readonly from: readonly Fields[] | undefined
  readonly to: readonly Fields[] | undefined
  readonly when: readonly Fields[] | undefined
  readonly kind: string
}

const draft: fc.Arbitrary<Draft> = fc.record({
  from: optionalList(from),
  to: optionalList(to),
  when: fc.option(fc.array(header, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 1 }),
  kind: fc.constantFrom('deny', 'allow', 'allow', 'short', 'emergency'),
})

// Large sets, for one path and without conditions, reach what is looked up only among many.
const drafts = fc.oneof(
  { weight: 4, arbitrary: fc.array(draft, { maxLength: 6 }) },
  {
    weight: 1,
    arbitrary: fc.array(
      draft.map((each) => ({ ...each, to: undefined, when: undefined })),
      { minLength: 8, maxLength: 20, size: 'max' },
    ),
  },
)

/** Policies as an application writes them. */
export const policySet: fc.Arbitrary<readonly Fields[]> = drafts.map((all) =>
  all.map(({ kind, ...fields }, index) => ({
    name: `p${index}`,
    action: kind === 'deny' ? 'DENY' : 'ALLOW',
    ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
    ...((kind === 'short' || kind === 'emergency') && { maxLifetime: '1h' }),
    ...(kind === 'emergency' && { breakGlass: true }),
  })),
)

const principal: fc.Arbitrary<Principal | null> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant(createNamedCaller('legacy', 'READ')) },
  {
    weight: 8,
    arbitrary: fc
      .record({
        id: fc.constantFrom(...ids),
        credential: fc.constantFrom(...credentials, 'x509-svid' as const, 'x509-svid' as const),
        authorities: fc.subarray(authorities),
        lifetime: fc.constantFrom(undefined, 60_000, 3_600_001),
      })
      .map(({ id, ...facts }) => workload(id, facts)),
  },
)
const facts: fc.Arbitrary<PolicyFacts | undefined> = fc
  .record({
    host: fc.constantFrom(...hosts, 'api.example:8443', 'api.example.', undefined),
    port: fc.constantFrom(8443, 9443, undefined),
    socketAddress: fc.constantFrom(...addresses, undefined),
    remoteAddress: fc.constantFrom(...addresses, undefined),
    headers: fc.array(fc.constantFrom(...lines), { maxLength: 2 }),
    isKnown: fc.nat({ max: 9 }),
  })
  .map(({ headers, isKnown, ...rest }) => {
    if (isKnown === 0) return undefined
    const known = factsOf({ ...rest, headers: headers.map((line) => ['x-a', line]) })
    return isKnown === 1 ? { ...known, headerLines: () => undefined } : known
  })
const semantics: fc.Arbitrary<PathSemantics> = fc.record(
  {
    foldCase: fc.constantFrom<PathSemantics['foldCase']>(false, false, 'ascii', 'unicode'),
    foldTrailingSlash: fc.boolean(),
    comparesEscaped: fc.constantFrom('unneeded', 'all'),
  },
  { requiredKeys: ['foldCase', 'foldTrailingSlash'] },
)

export const request: fc.Arbitrary<DecisionRequest> = fc
  .record({
    principal,
    facts,
    path: fc.constantFrom(...paths),
    method: fc.constantFrom(...methods, 'HEAD'),
    semantics,
    otherSemantics: fc.option(semantics, { nil: undefined, freq: 1 }),
  })
  .map(requestOf)
