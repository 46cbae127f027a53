import { type DerElement, derTag, refuseMalformed } from './der.ts'
import { DerReader, enterOnly } from './der-reader.ts'
import { decodeObjectIdentifier, decodeUnsigned } from './der-values.ts'

/**
 * The certificate policies of a certificate (RFC 5280 §4.2.1.4, .5, .11 and .14). The lists are not decoded: they
 * matter only if a certificate of the path requires an explicit policy, and an attacker's lists could use much memory.
 */
export interface CertificatePolicies {
  /** The value of certificatePolicies, for `decodePolicies`. */
  readonly policies?: Buffer
  /** The value of policyMappings, for `decodePolicyMappings`. */
  readonly mappings?: Buffer
  /** The number of certificates after which all others need a policy that is valid for the whole path. */
  readonly requireExplicitPolicy?: number
  /** The number of certificates after which mappings are no longer allowed. */
  readonly inhibitPolicyMapping?: number
  /** The number of certificates after which anyPolicy no longer matches other policies. */
  readonly inhibitAnyPolicy?: number
}

/** Matches every policy. */
export const anyPolicy = '2.5.29.32.0'

/**
 * The maximum number of policies or mappings in one certificate. Far more than any legitimate one has; for an attacker,
 * adding them is free.
 */
const maxPolicies = 256

/**
 * Decodes the object identifiers of certificatePolicies (RFC 5280 §4.2.1.4), each at most once. Ignores qualifiers,
 * which are for display.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodePolicies(value: Buffer): ReadonlySet<string> {
  const where = 'certificatePolicies'
  const policies = new Set<string>()
  for (const element of readList(value, where)) {
    const fields = enterOnly(element.encoded, derTag.sequence, where)
    const policy = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), where)
    fields.nextIf(derTag.sequence)
    fields.end()
    if (policies.has(policy)) refuseMalformed(where, `${policy} twice`, 'each policy at most once')
    policies.add(policy)
  }
  return policies
}

/**
 * Decodes the pairs of policyMappings (RFC 5280 §4.2.1.5): the issuer's policies, and their names below it.
 *
 * @throws {CertificateError} `certificate_malformed`, also for a mapping from or to anyPolicy (§6.1.4 a)
 */
export function decodePolicyMappings(value: Buffer): ReadonlyMap<string, ReadonlySet<string>> {
  const where = 'policyMappings'
  const mappings = new Map<string, Set<string>>()
  for (const element of readList(value, where)) {
    const fields = enterOnly(element.encoded, derTag.sequence, where)
    const [from, to] = [fields.next(derTag.objectIdentifier), fields.next(derTag.objectIdentifier)].map((policy) =>
      decodeObjectIdentifier(policy, where),
    )
    fields.end()
    if (from === undefined || to === undefined || from === anyPolicy || to === anyPolicy) {
      return refuseMalformed(where, 'a mapping of anyPolicy', 'mappings of other policies only')
    }
    mappings.set(from, (mappings.get(from) ?? new Set()).add(to))
  }
  return mappings
}

/**
 * Decodes the two numbers of policyConstraints (RFC 5280 §4.2.1.11), at least one.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodePolicyConstraints(
  value: Buffer,
): Pick<CertificatePolicies, 'requireExplicitPolicy' | 'inhibitPolicyMapping'> {
  const where = 'policyConstraints'
  const fields = enterOnly(value, derTag.sequence, where)
  if (fields.done) refuseMalformed(where, 'no constraint', 'at least one')
  const explicit = fields.nextIf(0x80)
  const mapping = fields.nextIf(0x81)
  fields.end()
  return {
    ...(explicit && { requireExplicitPolicy: decodeUnsigned(explicit, where) }),
    ...(mapping && { inhibitPolicyMapping: decodeUnsigned(mapping, where) }),
  }
}

/**
 * Decodes the number of inhibitAnyPolicy (RFC 5280 §4.2.1.14).
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeInhibitAnyPolicy(value: Buffer): number {
  const reader = new DerReader(value, 'inhibitAnyPolicy')
  const number = decodeUnsigned(reader.next(derTag.integer), 'inhibitAnyPolicy')
  reader.end()
  return number
}

function readList(value: Buffer, where: string): readonly DerElement[] {
  const elements = enterOnly(value, derTag.sequence, where).rest()
  if (elements.length > maxPolicies) refuseMalformed(where, `${elements.length} entries`, `at most ${maxPolicies}`)
  return elements
}
