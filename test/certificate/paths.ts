import type { Certificate } from '../../packages/spiffe/src/certificate/certificate.ts'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import type { PathRequest } from '../../packages/spiffe/src/certificate/path-request.ts'
import { verifyPath } from '../../packages/spiffe/src/certificate/path.ts'
import { clientAuth, type Entity, entity, type Issue, issueAuthority, issueLeaf, now } from './issue.ts'

/*
 * A root, an intermediate, one more below it, and a workload, for the tests of paths.
 */

export const root: Entity = entity('root', 'P-256', 0)
export const middle: Entity = entity('middle', 'P-384', 0)
export const lower: Entity = entity('lower', 'P-256', 1)
export const workload: Entity = entity('workload', 'P-256', 2)

export const authority = (subject: Entity, issue?: Issue): Certificate =>
  decodeCertificate(issueAuthority(subject, issue))
export const leafOf = (by: Entity, issue?: Issue): Certificate =>
  decodeCertificate(issueLeaf(workload, { by, ...issue }))

export const rootCertificate: Certificate = authority(root)
export const middleCertificate: Certificate = authority(middle, { by: root })
export const lowerCertificate: Certificate = authority(lower, { by: middle })

export function verify(
  leaf: Certificate,
  intermediates: readonly Certificate[] = [],
  authorities: readonly Certificate[] = [rootCertificate],
  changed: Partial<PathRequest> = {},
): ReturnType<typeof verifyPath> {
  return verifyPath({ leaf, intermediates, authorities, usage: clientAuth, now, ...changed })
}

export function pathOf(verdict: ReturnType<typeof verifyPath>): readonly Certificate[] | string {
  return verdict.ok ? verdict.path : `${verdict.reason}: ${verdict.detail}`
}

export function reasonOf(verdict: ReturnType<typeof verifyPath>): string {
  return verdict.ok ? 'ok' : verdict.reason
}
