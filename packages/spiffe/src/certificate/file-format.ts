import { CertificateError } from '../errors.ts'
import { DerReader } from './der-reader.ts'
import { type DerElement, derTag } from './der.ts'

/**
 * Describes the actual format of an unexpected file, with a fix if there is one: `a Java key store (JKS), …`. Returns
 * undefined if the format is not recognized. For messages only; no decision depends on it.
 *
 * @param path the path of the file, for conversion commands
 */
export function describeFormat(input: string | Uint8Array, path?: string): string | undefined {
  const bytes = Buffer.from(input)
  return describeJavaStore(bytes, path) ?? describeDer(bytes) ?? describeText(bytes.toString('latin1', 0, 200))
}

/**
 * Describes a Java key store that is not PKCS#12, with the command that converts it. Returns undefined for anything
 * else.
 */
export function describeJavaStore(bytes: Uint8Array, path: string = 'store.jks'): string | undefined {
  const type = javaStores.get(Buffer.from(bytes.subarray(0, 4)).toString('hex'))
  if (type === undefined) return undefined
  const target = quoteForShell(`${path.replace(/\.(?:jks|jceks|keystore|truststore)$/i, '')}.p12`)
  const source = `-srckeystore ${quoteForShell(path)} -srcstoretype ${type}`
  const command = `keytool -importkeystore ${source} -destkeystore ${target} -deststoretype PKCS12`
  return `a Java key store (${type}); convert it to PKCS#12: ${command}`
}

const javaStores: ReadonlyMap<string, string> = new Map([
  ['feedfeed', 'JKS'],
  ['cececece', 'JCEKS'],
])

function quoteForShell(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function describeText(text: string): string | undefined {
  const trimmed = text.replace(/^\xEF\xBB\xBF/, '').trimStart()
  if (trimmed.startsWith('PuTTY-User-Key-File')) {
    return 'a PuTTY key; export it from PuTTYgen as an OpenSSH key, then convert it with ssh-keygen -p -m PKCS8'
  }
  if (/^(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+) /.test(trimmed)) return 'an OpenSSH public key'
  if (trimmed.startsWith('---- BEGIN SSH2')) return 'an SSH2 key'
  if (trimmed.startsWith('LS0tLS1CRUdJT'))
    return 'base64-encoded PEM, as in the data of a Kubernetes Secret; decode it first'
  if (/^MI[A-Za-z0-9+/]{2}/.test(trimmed)) return 'base64 without the lines -----BEGIN …----- and -----END …-----'
  if (/^\{\s*"/.test(trimmed)) return 'JSON'
  return undefined
}

// By the tags of the first elements, and of those inside the first one. Small integers include their value.
const derFormats: readonly (readonly [shape: RegExp, format: string])[] = [
  [/^02:3 30/, 'a PKCS#12 store; pass it to fileSource() as keyStore'],
  [/^06 a0/, 'PKCS#7; print its certificates with openssl pkcs7 -inform DER -print_certs'],
  [/^02:[01] 30 04/, 'a private key (PKCS#8, DER)'],
  [/^02:1 04/, 'an EC private key (SEC 1, DER); convert it with openssl pkcs8 -topk8 -nocrypt'],
  [/^02:0(?: 02(?::\d+)?){4}/, 'an RSA private key (PKCS#1, DER); convert it with openssl pkcs8 -topk8 -nocrypt'],
  [/^02 02/, 'an RSA public key (PKCS#1, DER)'],
  [/^30\(06\b.*\) 04/, 'an encrypted private key (PKCS#8, DER)'],
  [/^30\(06\b.*\) 03/, 'a public key (DER)'],
  [/^30\(02:0 30 30 a0\) 30 03/, 'a certificate signing request (DER), which no CA has signed yet'],
  [/^30\((?:02:1 )?30 30 1[78]/, 'a certificate revocation list (DER)'],
  [/^30\((?:a0 )?02(?::\d+)? 30 30 30/, 'a certificate (DER)'],
]

/**
 * Returns true if bytes start like a DER SEQUENCE. Checks more than the tag, because a text can start with its
 * character, "0".
 */
export function isDer(bytes: Uint8Array): boolean {
  return bytes[0] === derTag.sequence && bytes.subarray(1, 5).some((byte) => byte < 0x09 || byte >= 0x80)
}

function describeDer(bytes: Buffer): string | undefined {
  if (!isDer(bytes)) return undefined
  const shape = describeShape(bytes)
  if (shape === undefined) return 'DER that is invalid or truncated'
  return derFormats.find(([pattern]) => pattern.test(shape))?.[1]
}

function describeShape(bytes: Buffer): string | undefined {
  try {
    const [first, ...rest] = readFirst(new DerReader(bytes, 'file').enter(derTag.sequence, 'file'))
    if (first === undefined) return undefined
    const inside = first.tag === derTag.sequence ? readFirst(new DerReader(first.content, 'file')) : []
    const head = inside.length === 0 ? describeElement(first) : `30(${inside.map(describeElement).join(' ')})`
    return [head, ...rest.map(describeElement)].join(' ')
  } catch (error) {
    if (error instanceof CertificateError) return undefined
    throw error
  }
}

/** Returns the first elements, at least one. At most as many as the formats need, because a file may have millions. */
function readFirst(reader: DerReader): readonly DerElement[] {
  const elements = [reader.nextOfAny()]
  while (!reader.done && elements.length < mostElements) elements.push(reader.nextOfAny())
  return elements
}

const mostElements = 12

function describeElement({ tag, content }: DerElement): string {
  const name = tag.toString(16).padStart(2, '0')
  return tag === derTag.integer && content.length === 1 ? `${name}:${content.readUInt8(0)}` : name
}
