import { commonName, type SubjectIdentity } from '../../packages/spiffe/src/subject/subject-identity.ts'
import {
  type SubjectClaim,
  type SubjectVerdict,
  verifySubject,
} from '../../packages/spiffe/src/subject/verify-subject.ts'
import { CaBundle } from '../../packages/spiffe/src/trust/ca-bundle.ts'
import { name, subjectAlternativeName } from '../certificate/encode.ts'
import { type Entity, entity, type Issue, issueAuthority, issueLeaf, keyPair, now } from '../certificate/issue.ts'

/*
 * Leaves of a CA without SPIFFE, written byte by byte, for the tests of subject/.
 */

export const root: Entity = entity('Internal CA', 'P-256', 1)
export const rootDer: Buffer = issueAuthority(root)
export const ca: CaBundle = CaBundle.parse(rootDer)

/** The service map of the article on Spring Security. */
const services = {
  'core-api': ['SERVICE_CORE_API'],
  'billing-service': ['SERVICE_BILLING'],
  'notification-service': ['SERVICE_NOTIFICATION'],
  'analytics-service': ['SERVICE_ANALYTICS'],
} as const
export const byCommonName: SubjectIdentity = commonName({ authorities: services })

/** The default subject of a leaf. */
export const coreApi: Buffer = name('O=Example', 'CN=core-api')

/** The properties of a leaf; it has no key usage unless `extensions` contain one. */
export interface LeafOptions extends Omit<Issue, 'by'> {
  readonly by?: Entity
  /** General names; none omits the extension. */
  readonly names?: readonly Buffer[]
}

/** A leaf with this subject. */
export function encodeLeaf(
  subject: Buffer,
  { by = root, names = [], extensions, fields = {} }: LeafOptions = {},
): Buffer {
  const alternative = names.length === 0 ? null : subjectAlternativeName(...names)
  const holder = { name: subject, keys: keyPair('P-256', 2) }
  return issueLeaf(holder, { by, extensions: { keyUsage: null, names: alternative, ...extensions }, fields })
}

/** The verdict on a chain by common name, unless claim or identity are changed. */
export function verify(
  chain: readonly Uint8Array[],
  identity: SubjectIdentity = byCommonName,
  changed: Partial<SubjectClaim> = {},
): SubjectVerdict {
  return verifySubject({ chain, ca, now, ...changed }, identity)
}

/** `ok` or the reason. */
export function reasonOf(verdict: SubjectVerdict): string {
  return verdict.ok ? 'ok' : verdict.reason
}
