import { constants, type KeyObject, verify } from 'node:crypto'
import type { CertificateSignature, SignatureRefusal } from './certificate.ts'
import { parsePssParameters } from './pss-parameters.ts'

/** The result of a signature check. A refused algorithm is found without using a key. */
export type SignatureVerdict = 'valid' | 'invalid' | SignatureRefusal

/**
 * Verifies the signature of a certificate or a revocation list with its issuer's key. Accepts only these algorithms:
 * RSA (PKCS #1 v1.5 and PSS) and ECDSA with SHA-256, SHA-384 or SHA-512, and Ed25519.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1.1.3
 */
export function verifySignature(signature: CertificateSignature, issuerKey: KeyObject): SignatureVerdict {
  const scheme = chooseScheme(signature)
  if (typeof scheme === 'string') return scheme
  const { algorithmsAgree, signedBytes, value } = signature
  if (!algorithmsAgree) return 'invalid'
  if (!scheme.keyTypes.includes(issuerKey.asymmetricKeyType)) return 'invalid'
  try {
    const isValid = verify(scheme.hash, signedBytes, { key: issuerKey, ...scheme.options }, value)
    return isValid ? 'valid' : 'invalid'
  } catch {
    // OpenSSL throws for a key of id-RSASSA-PSS that is restricted to other parameters than these.
    return 'invalid'
  }
}

/**
 * Returns true if this key made the signature, even with a weak algorithm. This is not a proof, because the algorithm
 * may be weak. It must only be used to deny: it finds the signer of a rejected revocation list.
 */
export function isPossiblySignedBy(signature: CertificateSignature, key: KeyObject): boolean {
  const hash = weakHashes.get(signature.algorithm)
  if (hash === undefined) return verifySignature(signature, key) === 'valid'
  try {
    return verify(hash, signature.signedBytes, key, signature.value)
  } catch {
    return false
  }
}

/** Returns how to verify signatures of this algorithm, or why it is rejected regardless of the key. */
export function chooseScheme({
  algorithm,
  parameters,
}: Pick<CertificateSignature, 'algorithm' | 'parameters'>): SignatureScheme | SignatureRefusal {
  if (weakAlgorithms.has(algorithm)) return 'weak_algorithm'
  return algorithm === rsaPss ? findPssScheme(parameters) : findScheme(algorithm, parameters)
}

/** The arguments for Node to verify a signature. */
interface SignatureScheme {
  readonly keyTypes: readonly KeyObject['asymmetricKeyType'][]
  /** Null if the algorithm includes its own hash. */
  readonly hash: string | null
  readonly options: { readonly padding?: number; readonly saltLength?: number }
}

const rsaPss = '1.2.840.113549.1.1.10'

/** RSA with MD2, MD5, SHA-1 (also under its older identifier) and SHA-224; DSA and ECDSA with SHA-1 and SHA-224. */
const weakAlgorithms: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.2',
  '1.2.840.113549.1.1.4',
  '1.2.840.113549.1.1.5',
  '1.2.840.113549.1.1.14',
  '1.3.14.3.2.29',
  '1.2.840.10040.4.3',
  '2.16.840.1.101.3.4.3.1',
  '1.2.840.10045.4.1',
  '1.2.840.10045.4.3.1',
])

/** The weak algorithms that CAs still use: RSA and ECDSA with SHA-1 and SHA-224. */
const weakHashes: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.5', 'sha1'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.10045.4.1', 'sha1'],
  ['1.2.840.10045.4.3.1', 'sha224'],
])

/** RFC 4055 §5 requires NULL parameters, and requires verifiers to accept absent ones. */
const pkcs1Algorithms: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
])

/** RFC 5758 §3.2 and RFC 8410 §3: without parameters. */
const bareAlgorithms: ReadonlyMap<string, SignatureScheme> = new Map([
  ['1.2.840.10045.4.3.2', { keyTypes: ['ec'], hash: 'sha256', options: {} }],
  ['1.2.840.10045.4.3.3', { keyTypes: ['ec'], hash: 'sha384', options: {} }],
  ['1.2.840.10045.4.3.4', { keyTypes: ['ec'], hash: 'sha512', options: {} }],
  ['1.3.101.112', { keyTypes: ['ed25519'], hash: null, options: {} }],
])

function findScheme(algorithm: string, parameters: Buffer | undefined): SignatureScheme | SignatureRefusal {
  const hash = pkcs1Algorithms.get(algorithm)
  if (hash !== undefined && isNullOrAbsent(parameters)) {
    return { keyTypes: ['rsa'], hash, options: { padding: constants.RSA_PKCS1_PADDING } }
  }
  return (parameters === undefined ? bareAlgorithms.get(algorithm) : undefined) ?? 'unsupported_algorithm'
}

function isNullOrAbsent(parameters: Buffer | undefined): boolean {
  return parameters === undefined || parameters.toString('hex') === '0500'
}

function findPssScheme(parameters: Buffer | undefined): SignatureScheme | SignatureRefusal {
  const parsed = parsePssParameters(parameters)
  if (typeof parsed === 'string') return parsed
  const options = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: parsed.saltLength }
  return { keyTypes: ['rsa', 'rsa-pss'], hash: parsed.hash, options }
}
