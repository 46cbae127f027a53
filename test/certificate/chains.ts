import { createHash } from 'node:crypto'
import {
  authorityKeyId,
  basicConstraints,
  extendedKeyUsage,
  extension,
  generalName,
  integer,
  keyUsage,
  name,
  nameConstraints,
  nullValue,
  objectIdentifier,
  sequence,
  subjectAlternativeName,
  subjectKeyId,
  time,
  tlv,
} from './encode.ts'
import {
  anyUsage,
  clientAuth,
  type Entity,
  entity,
  exportKey,
  type Fields,
  issueAuthority,
  issueLeaf,
  keyPair,
  type KeyType,
  now,
  serverAuth,
  signer,
} from './issue.ts'
import type { Random } from './random.ts'

/** What a peer could present and what we would trust, with its defects by name. */
export interface Hierarchy {
  readonly traits: readonly string[]
  readonly authorities: readonly Buffer[]
  readonly intermediates: readonly Buffer[]
  /** Ten leaves below the same issuers. */
  readonly leaves: readonly { readonly traits: readonly string[]; readonly der: Buffer }[]
}

/** One way in which a certificate may differ from a valid one. */
interface Change {
  readonly trait: string
  readonly extensions?: Readonly<Record<string, Buffer | null>>
  readonly fields?: (by: Entity) => Partial<Fields>
}

const second = 1000
const policies = (critical: boolean): Buffer =>
  extension('2.5.29.32', sequence(sequence(objectIdentifier('1.2.3.4'))), critical)
const flip = (signature: Buffer): Buffer => Buffer.from(signature).fill(signature.readUInt8(40) ^ 1, 40, 41)

const strayedSerialNumber = extension('2.5.29.35', sequence(tlv(0x82, Buffer.from('0badcafe', 'hex'))))

/** Defects of any certificate, leaf or issuer. */
const changes: readonly Change[] = [
  { trait: 'expired', fields: () => ({ notAfter: time(now - 5 * second) }) },
  { trait: 'not yet valid', fields: () => ({ notBefore: time(now + 5 * second) }) },
  { trait: 'just valid', fields: () => ({ notBefore: time(now - second), notAfter: time(now + second) }) },
  { trait: 'signature flipped', fields: () => ({ damage: flip }) },
  { trait: 'signed with SHA-1', fields: (by) => ({ signer: signer(by.keys.privateKey, 'sha1') }) },
  { trait: 'signed with SHA-512', fields: (by) => ({ signer: signer(by.keys.privateKey, 'sha512') }) },
  { trait: 'signed by another key', fields: () => ({ signer: signer(keyPair('P-256', 9).privateKey) }) },
  {
    trait: 'algorithms disagree',
    fields: () => ({ signedAlgorithm: sequence(objectIdentifier('1.2.840.10045.4.3.3')) }),
  },
  { trait: 'unknown critical extension', extensions: { odd: extension('1.2.3.4', nullValue, true) } },
  { trait: 'unknown extension', extensions: { odd: extension('1.2.3.4', nullValue) } },
  { trait: 'critical policies', extensions: { odd: policies(true) } },
  { trait: 'policies', extensions: { odd: policies(false) } },
  {
    trait: 'unknown extension twice',
    extensions: { odd: extension('1.2.3.4', nullValue), odder: extension('1.2.3.4', nullValue) },
  },
  { trait: 'usage for servers', extensions: { extendedKeyUsage: extendedKeyUsage(serverAuth) } },
  { trait: 'usage for clients', extensions: { extendedKeyUsage: extendedKeyUsage(clientAuth) } },
  { trait: 'no extended key usage', extensions: { extendedKeyUsage: null } },
  { trait: 'serial number zero', fields: () => ({ serialNumber: integer(0) }) },
  { trait: 'serial number negative', fields: () => ({ serialNumber: tlv(0x02, Buffer.from([0xff])) }) },
  { trait: 'key identifier of another authority', extensions: { authorityKeyId: authorityKeyId('0badcafe') } },
  { trait: 'no key identifier of the authority', extensions: { authorityKeyId: null } },
  { trait: 'no key identifier', extensions: { subjectKeyId: null } },
  { trait: 'serial number of another authority', extensions: { authorityKeyId: strayedSerialNumber } },
  { trait: 'version 1', fields: () => ({ version: Buffer.alloc(0) }) },
  { trait: 'version 1 without extensions', fields: () => ({ version: Buffer.alloc(0), extensions: null }) },
]

const leafChanges: readonly Change[] = [
  ...changes,
  { trait: 'any usage on a leaf', extensions: { extendedKeyUsage: extendedKeyUsage(anyUsage) } },
  { trait: 'a leaf that is a CA', extensions: { basicConstraints: basicConstraints(true) } },
  { trait: 'NUL in a name', extensions: { names: subjectAlternativeName(generalName.uri('spiffe://a.example/\0')) } },
]

const issuerChanges: readonly Change[] = [
  ...changes,
  { trait: 'cA FALSE', extensions: { basicConstraints: basicConstraints(false) } },
  { trait: 'no basicConstraints', extensions: { basicConstraints: null } },
  { trait: 'no keyCertSign', extensions: { keyUsage: keyUsage(0, 6) } },
  { trait: 'no key usage', extensions: { keyUsage: null } },
  { trait: 'path length 0', extensions: { basicConstraints: basicConstraints(true, 0) } },
  { trait: 'path length 1', extensions: { basicConstraints: basicConstraints(true, 1) } },
  { trait: 'path length 5', extensions: { basicConstraints: basicConstraints(true, 5) } },
]

const keyTypes: readonly KeyType[] = ['P-256', 'P-256', 'P-256', 'P-384', 'P-521', 'RSA-2048', 'Ed25519']
const weakKeyTypes: readonly KeyType[] = ['RSA-1024', 'P-224', 'Ed448']

const { dns, email, uri, ip, directory, registeredId, other } = generalName

/** Names of leaves and intermediates; the trait identifies why we may check a name more strictly than OpenSSL does. */
const names: readonly (readonly [name: Buffer, trait?: string])[] = [
  [uri('spiffe://saas.example/ns/production/sa/core-api')],
  [uri('spiffe://eu.saas.example/ns/x')],
  [uri('spiffe://other.example/ns/x')],
  [uri('https://saas.example:8443/x')],
  [uri('https://10.0.0.1/x'), 'URI with an address'],
  [uri('https://ops@saas.example/x'), 'URI with userinfo'],
  [uri('urn:example:x')],
  [dns('example.com')],
  [dns('a.example.com')],
  [dns('A.B.EXAMPLE.com')],
  [dns('badexample.com')],
  [dns('*.example.com'), 'wildcard'],
  [dns('example.com.'), 'DNS name with a final period'],
  [email('ops@example.com')],
  [email('ops@a.example.com')],
  [email('ops@example.org')],
  [ip('0a000001')],
  [ip('c0a80001')],
  [ip('20010db8000000000000000000000001')],
  [directory(name('O=Test', 'OU=x'))],
  [directory(name('O=Other'))],
  [registeredId()],
  [other()],
]

const bases: readonly (readonly [base: Buffer, trait?: string])[] = [
  [uri('saas.example')],
  [uri('.saas.example')],
  [uri('other.example')],
  [dns('example.com')],
  [dns('.example.com'), 'DNS subtree with a leading period'],
  [dns('a.example.com')],
  [dns('')],
  [email('ops@example.com')],
  [email('example.com')],
  [email('.example.com')],
  [ip('0a000000ff000000')],
  [ip('c0a80001ffffffff')],
  [ip(`${'20010db8'.padEnd(32, '0')}${'ffffffff'.padEnd(32, '0')}`)],
  [directory(name('O=Test'))],
  [directory(name('O=TEST', 'CN=middle 1'))],
  [directory(name('O=Other'))],
  [registeredId()],
  [other()],
]

export function createHierarchy(random: Random): Hierarchy {
  const depth = random.pick([0, 1, 1, 2, 2, 3])
  const traits: string[] = []
  const entities = ['root', 'middle 1', 'middle 2', 'middle 3'].slice(0, depth + 1).map((commonName, index) => {
    return entity(commonName, pickKeyType(random, traits), index)
  })
  const changedAt = random.chance(0.6) ? random.below(depth + 1) : -1
  const constrainedAt = random.chance(0.4) ? random.below(depth + 1) : -1
  const certificates = entities.map((subject, index) => {
    const by = entities[Math.max(0, index - 1)] ?? subject
    const change = index === changedAt ? random.pick(issuerChanges) : undefined
    if (change !== undefined) traits.push(`${change.trait} (${index === 0 ? 'root' : 'intermediate'})`)
    const constraints = index === constrainedAt ? { constraints: pickConstraints(random, traits) } : {}
    const carried = index > 0 && random.chance(0.2) ? { names: pickNames(random, traits, 0.1) } : {}
    return issueAuthority(subject, {
      by,
      extensions: { ...keyIds(subject, by), ...constraints, ...carried, ...change?.extensions },
      fields: change?.fields?.(by) ?? {},
    })
  })
  const last = entities.at(-1) ?? entity('root')
  const leaves = Array.from({ length: 10 }, () => createLeaf(last, random))
  return { traits, leaves, ...present(entities, certificates, random, traits) }
}

/** Puts the root into the bundle and the rest into the presented chain, in one of several valid and invalid ways. */
function present(
  entities: readonly Entity[],
  certificates: readonly Buffer[],
  random: Random,
  traits: string[],
): Pick<Hierarchy, 'authorities' | 'intermediates'> {
  const [root, ...intermediates] = certificates
  const stranger = entity('stranger', 'P-256', 8)
  const junk = [issueAuthority(stranger), issueLeaf(entity('junk'), { by: stranger })]
  const authorities = [...(root === undefined ? [] : [root]), ...random.some([issueAuthority(stranger)], 0.3)]
  const presented = [...intermediates, ...random.some([...junk, ...certificates], 0.2)]
  const [rootEntity, first] = entities
  if (rootEntity === undefined || first === undefined) return { authorities, intermediates: random.shuffle(presented) }
  if (random.chance(0.06)) {
    traits.push('intermediate missing')
    const missing = random.pick(intermediates)
    return { authorities, intermediates: presented.filter((certificate) => certificate !== missing) }
  }
  if (random.chance(0.1)) {
    traits.push('authority that is not self-signed')
    return { authorities: intermediates.slice(0, 1), intermediates: random.shuffle(presented) }
  }
  if (traits.length === 0 && random.chance(0.3)) {
    traits.push('cross-signed')
    const other = entity('other root', 'P-256', 7)
    const crossSigned = issueAuthority(first, { by: other, extensions: keyIds(first, other) })
    const both = [...authorities, issueAuthority(other, { extensions: keyIds(other, other) })]
    return { authorities: both, intermediates: random.shuffle([...presented, crossSigned]) }
  }
  return { authorities, intermediates: random.shuffle(presented) }
}

function createLeaf(by: Entity, random: Random): Hierarchy['leaves'][number] {
  const traits: string[] = []
  const keys = keyPair(pickKeyType(random, traits), 4)
  const change = random.chance(0.5) ? random.pick(leafChanges) : undefined
  if (change !== undefined) traits.push(`${change.trait} (leaf)`)
  const subject = random.pick(['', 'O=Test/CN=workload', 'O=Test/CN=a.example.org', 'O=Test/E=ops@example.com'])
  if (subject.includes('example.org')) traits.push('common name like a host name')
  const workload = { keys, name: name(...subject.split('/').filter((part) => part !== '')) }
  const extensions = { names: pickNames(random, traits, 0.06), ...keyIds(workload, by), ...change?.extensions }
  return { traits, der: issueLeaf(workload, { by, extensions, fields: change?.fields?.(by) ?? {} }) }
}

function pickKeyType(random: Random, traits: string[]): KeyType {
  if (!random.chance(0.04)) return random.pick(keyTypes)
  const type = random.pick(weakKeyTypes)
  traits.push(`key of ${type}`)
  return type
}

function pickNames(random: Random, traits: string[], share: number): Buffer | null {
  const picked = random.some(names, share)
  traits.push(...picked.flatMap(([, trait]) => trait ?? []))
  return picked.length === 0 ? null : subjectAlternativeName(...picked.map(([value]) => value))
}

function pickConstraints(random: Random, traits: string[]): Buffer {
  const permitted = random.some(bases, 0.12)
  const excluded = random.some(bases, 0.06)
  traits.push('name constraints', ...[...permitted, ...excluded].flatMap(([, trait]) => trait ?? []))
  const list = (picked: typeof bases): readonly Buffer[] | undefined =>
    picked.length === 0 ? undefined : picked.map(([base]) => base)
  const lists = { permitted: list(permitted), excluded: list(excluded) ?? [dns('excluded.example')] }
  return nameConstraints(
    lists.permitted === undefined ? { excluded: lists.excluded } : { ...lists, permitted: lists.permitted },
  )
}

function keyIds(subject: Entity, by: Entity): Readonly<Record<string, Buffer>> {
  return { subjectKeyId: subjectKeyId(idOf(subject)), authorityKeyId: authorityKeyId(idOf(by)) }
}

function idOf({ keys }: Entity): string {
  return createHash('sha256')
    .update(exportKey({ ...keys }))
    .digest('hex')
    .slice(0, 40)
}
