import type { SpiffeId } from '@countersign/spiffe/id'
import type { DecisionRequest } from '../decide.ts'
import type { CredentialKind, Principal } from '../principal.ts'
import { type CallerKey, createCallerKey, createKeyTest } from './caller-tree.ts'
import { type AddressReader, createAddressTest } from './facts-tests.ts'
import { type FieldTest, listValues, outcomeOf } from './field-test.ts'
import type { Policy, PolicyFrom } from './policy.ts'

/** A condition that an index can look up: callers by their SPIFFE ID, or holders of an authority. */
export type PrincipalKey = CallerKey | { readonly authority: string }

/** One entry of `from`, ready to be tested. */
export interface FromTests {
  readonly tests: readonly FieldTest[]
  /** The keys for an index, one of which has to match. Undefined if the entry has no field that can be looked up. */
  readonly keys: readonly PrincipalKey[] | undefined
  /** The tests that always pass for a caller found by a key. */
  readonly keyTests: readonly FieldTest[]
  /** The other tests. */
  readonly furtherTests: readonly FieldTest[]
}

/** State shared by the tests of all policies of a set. */
export interface FromContext {
  readonly localTrustDomain: string | undefined
  readonly readAddress: AddressReader
}

/** Compiles an entry of `from`. `place` is its position within the policy. */
export function compileFrom(
  from: PolicyFrom,
  place: string,
  action: Policy['action'],
  { localTrustDomain, readAddress }: FromContext,
): FromTests {
  const tests = [createAdmission(from, place, action)]
  let keys: readonly PrincipalKey[] | undefined
  let indexed: FieldTest | undefined
  for (const [name, createField] of principalFields) {
    const values = from[name]
    if (values === undefined) continue
    const field = createField(values, localTrustDomain)
    const test = createTest(`${place}.${name}`, values, field.isMatch, false)
    tests.push(test)
    if (keys === undefined && field.keys !== undefined) {
      keys = field.keys
      indexed = test
    }
  }
  for (const [, createField, not] of principalFields) {
    const values = from[not]
    if (values === undefined) continue
    tests.push(createTest(`${place}.${not}`, values, createField(values, localTrustDomain).isMatch, true))
  }
  for (const name of ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'] as const) {
    const blocks = from[name]
    if (blocks !== undefined) tests.push(createAddressTest(`${place}.${name}`, blocks, name, readAddress))
  }
  const keyTests = indexed === undefined ? [] : [indexed]
  return { tests, keys, keyTests, furtherTests: tests.filter((test) => test !== indexed) }
}

// ALLOW policies match anonymous callers and weak credentials only if the entry names them. DENY policies match any.
function createAdmission(from: PolicyFrom, field: string, action: Policy['action']): FieldTest {
  if (from.anonymous === true) {
    return {
      field: `${field}.anonymous`,
      test: ({ principal }) => outcomeOf(principal === null),
      describe: describeCaller('a caller without a credential'),
    }
  }
  return {
    field: action === 'ALLOW' ? `${field}.credentials` : field,
    test: action === 'DENY' ? admitAll : admitNamed(from.credentials),
    describe: describeCaller(
      "a caller with a strong credential, because anonymous: true, or 'asserted' or 'jwt-svid' in credentials, is not there",
    ),
  }
}

const none: readonly CredentialKind[] = []
const admitAll: FieldTest['test'] = () => 'match'
const admitStrong: FieldTest['test'] = ({ principal }) => outcomeOf(isAdmitted(principal, none))

function admitNamed(named: readonly CredentialKind[] | undefined): FieldTest['test'] {
  return named === undefined ? admitStrong : ({ principal }) => outcomeOf(isAdmitted(principal, named))
}

function isAdmitted(principal: Principal | null, named: readonly CredentialKind[]): boolean {
  if (principal === null) return false
  const { credential } = principal
  return (credential !== 'asserted' && credential !== 'jwt-svid') || named.includes(credential)
}

interface PrincipalField {
  readonly isMatch: (principal: Principal) => boolean
  readonly keys?: readonly PrincipalKey[]
}

type Positive = 'callers' | 'serviceAccounts' | 'authorities' | 'namespaces' | 'trustDomains' | 'credentials'
type Negative =
  | 'notCallers'
  | 'notServiceAccounts'
  | 'notAuthorities'
  | 'notNamespaces'
  | 'notTrustDomains'
  | 'notCredentials'
type CreateField = (values: readonly string[], localTrustDomain: string | undefined) => PrincipalField

// The most selective fields come first, because the first field present is indexed.
const principalFields: readonly (readonly [Positive, CreateField, Negative])[] = [
  ['callers', compileCallers, 'notCallers'],
  ['serviceAccounts', compileServiceAccounts, 'notServiceAccounts'],
  ['authorities', compileAuthorities, 'notAuthorities'],
  ['namespaces', compileNamespaces, 'notNamespaces'],
  ['trustDomains', compileTrustDomains, 'notTrustDomains'],
  ['credentials', compileCredentials, 'notCredentials'],
]

function compileCallers(patterns: readonly string[]): PrincipalField {
  return matchKeys(patterns.map(createCallerKey))
}

// Namespaces and service accounts are those of the local trust domain, because core-api in another trust domain is not
// ours.
function compileServiceAccounts(accounts: readonly string[], localTrustDomain: string = ''): PrincipalField {
  return matchKeys(
    accounts.map((pair) => {
      const [namespace = '', account = ''] = pair.split('/')
      return { trustDomain: localTrustDomain, segments: ['ns', namespace, 'sa', account], rest: false }
    }),
  )
}

function compileNamespaces(namespaces: readonly string[], localTrustDomain: string = ''): PrincipalField {
  return matchKeys(
    namespaces.map((namespace) => ({
      trustDomain: localTrustDomain,
      segments: ['ns', namespace, 'sa', '*'],
      rest: false,
    })),
  )
}

function compileTrustDomains(trustDomains: readonly string[]): PrincipalField {
  return matchKeys(trustDomains.map((trustDomain) => ({ trustDomain, segments: [], rest: true })))
}

function matchKeys(keys: readonly CallerKey[]): PrincipalField {
  // Built on first use, because an index looks up the keys itself.
  let test: ((caller: SpiffeId) => boolean) | undefined
  return { keys, isMatch: ({ spiffeId }) => spiffeId !== undefined && (test ??= createKeyTest(keys))(spiffeId) }
}

function compileAuthorities(authorities: readonly string[]): PrincipalField {
  return {
    keys: authorities.map((authority) => ({ authority })),
    isMatch: (principal) => authorities.some((authority) => principal.hasAuthority(authority)),
  }
}

function compileCredentials(credentials: readonly string[]): PrincipalField {
  return { isMatch: ({ credential }) => credentials.includes(credential) }
}

// An anonymous caller matches no positive field and every negative one.
function createTest(
  field: string,
  values: readonly string[],
  isMatch: (principal: Principal) => boolean,
  isNegative: boolean,
): FieldTest {
  return {
    field,
    test: ({ principal }) => outcomeOf((principal !== null && isMatch(principal)) !== isNegative),
    describe: (request) => describeCaller(`${isNegative ? 'none' : 'one'} of ${listValues(values)}`)(request),
  }
}

function describeCaller(expected: string): (request: DecisionRequest) => string {
  return ({ principal }) => {
    if (principal === null) return `the caller is anonymous, expected ${expected}`
    const authorities = principal.authorities.length === 0 ? 'no authorities' : listValues(principal.authorities)
    return `the caller is ${principal.name}, proven by '${principal.credential}', with ${authorities}, expected ${expected}`
  }
}
