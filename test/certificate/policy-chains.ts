import assert from 'node:assert/strict'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { verifyPath } from '../../packages/spiffe/src/certificate/path.ts'
import { authorityKeyId, extension, integer, objectIdentifier, sequence, subjectKeyId, tlv } from './encode.ts'
import { clientAuth, type Entity, entity, issueAuthority, issueLeaf, now } from './issue.ts'

/*
 * Chains for the tests of certificate policies.
 */

export const anyPolicy = '2.5.29.32.0'
export const gold = '1.2.3.1'
export const silver = '1.2.3.2'
export const bronze = '1.2.3.3'

/** The policy extensions of one certificate. */
export interface Policies {
  readonly policies?: readonly string[]
  readonly mappings?: readonly (readonly [from: string, to: string])[]
  readonly explicit?: number
  readonly noMapping?: number
  readonly noAny?: number
  readonly critical?: boolean
  /** Issued by the entity above for itself, as in a key rollover. */
  readonly selfIssued?: boolean
}

function encodePolicies({ policies, mappings, explicit, noMapping, noAny, critical = true }: Policies): Buffer[] {
  const pair = (one: string, other: string): Buffer => sequence(objectIdentifier(one), objectIdentifier(other))
  const skip = (tag: number, count: number | undefined): Buffer =>
    count === undefined ? Buffer.alloc(0) : tlv(tag, integer(count).subarray(2))
  return [
    ...(policies
      ? [extension('2.5.29.32', sequence(...policies.map((one) => sequence(objectIdentifier(one)))), critical)]
      : []),
    ...(mappings !== undefined && mappings.length > 0
      ? [extension('2.5.29.33', sequence(...mappings.map(([from, to]) => pair(from, to))), critical)]
      : []),
    ...(explicit === undefined && noMapping === undefined
      ? []
      : [extension('2.5.29.36', sequence(skip(0x80, explicit), skip(0x81, noMapping)), critical)]),
    ...(noAny === undefined ? [] : [extension('2.5.29.54', integer(noAny), critical)]),
  ]
}

export interface Chain {
  readonly root: Buffer
  readonly intermediates: readonly Buffer[]
  readonly leaf: Buffer
}

/** Creates a chain with these policy extensions, from the root down to the leaf. */
export function issueChain(root: Policies, ...below: readonly Policies[]): Chain {
  const levels = [root, ...below]
  const entities: Entity[] = []
  for (const [index, { selfIssued = false }] of levels.entries()) {
    const fresh = entity(`level ${index}`, 'P-256', index)
    entities.push({ ...fresh, name: (selfIssued ? entities.at(-1) : undefined)?.name ?? fresh.name })
  }
  const certificates = levels.map((said, index) => {
    const [subject, by] = [entities[index], entities[Math.max(index - 1, 0)]]
    assert.ok(subject !== undefined && by !== undefined)
    // Certificates with the same name differ in their keys.
    const keyIds = [subjectKeyId(`0${index}`), authorityKeyId(`0${Math.max(index - 1, 0)}`)]
    const extensions = Object.fromEntries([...keyIds, ...encodePolicies(said)].map((one, number) => [`${number}`, one]))
    return index === levels.length - 1
      ? issueLeaf(subject, { by, extensions })
      : issueAuthority(subject, { by, extensions })
  })
  const [first, last] = [certificates[0], certificates.at(-1)]
  assert.ok(first !== undefined && last !== undefined)
  return { root: first, intermediates: certificates.slice(1, -1), leaf: last }
}

export function reasonOf({ root, intermediates, leaf }: Chain): string {
  const verdict = verifyPath({
    leaf: decodeCertificate(leaf),
    intermediates: intermediates.map((der) => decodeCertificate(der)),
    authorities: [decodeCertificate(root)],
    usage: clientAuth,
    now,
  })
  return verdict.ok ? 'ok' : verdict.reason
}
