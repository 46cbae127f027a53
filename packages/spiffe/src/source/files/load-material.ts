import type { KeyObject } from 'node:crypto'
import type { Certificate } from '../../certificate/certificate.ts'
import type { CertificateCache } from '../../certificate/certificate-cache.ts'
import { parseCertificates, refuseJavaStore } from '../../certificate/pem.ts'
import { CertificateError, type SourceError } from '../../errors.ts'
import { publish, type PublishedCertificate, type ReadContext, selectAuthorities } from '../../trust/authorities.ts'
import { selectCa, splitCa } from '../../trust/ca-bundle.ts'
import type { SubjectMaterial, X509Material } from '../../trust/x509-source.ts'
import { assembleMaterial, findTrustDomain } from '../create-material.ts'
import { assembleSubjectMaterial } from '../create-subject-material.ts'
import { isKeyStore } from '../key-store/is-key-store.ts'
import type { DecodeKeyStore } from '../key-store/key-store-cache.ts'
import { parsePrivateKey } from '../private-key.ts'
import type { FileBundles, RefusedBundle } from './file-bundles.ts'
import type { FilePlan, OwnPlan, PlannedFile } from './file-plan.ts'
import { listOwn, type ReadFiles } from './read-files.ts'

/**
 * The files that were read, and the function that opens PKCS#12 stores. The library for stores is loaded only if there
 * are any.
 */
export interface LoadableFiles extends ReadFiles {
  readonly decodeKeyStore: DecodeKeyStore
}

/** The time of loading, and what is kept between loads. */
export interface LoadContext {
  /** Epoch milliseconds. */
  readonly now: number
  readonly bundles: FileBundles
  /** The certificates of a CA without SPIFFE. */
  readonly cache: CertificateCache
}

/** Returns the content of the authorities' files, with trust stores opened. Omits files that cannot be read. */
export function listAuthorities(files: LoadableFiles): readonly Buffer[] {
  return [...files.trust.files.values()].flatMap((file) => {
    try {
      return files.bytes.has(file.path) ? [readAuthorities(file, files)] : []
    } catch (error) {
      if (error instanceof CertificateError) return []
      throw error
    }
  })
}

/** The material that was loaded, and the bundles that could not be read. */
export interface Loaded<Material> {
  readonly material: Material
  readonly refusals: readonly RefusedBundle[]
}

/**
 * Loads X.509 material of a SPIFFE service, valid at `now` (epoch milliseconds).
 *
 * The bundle of another trust domain never causes an error, because it must not block the renewal of our own
 * certificate. If its file cannot be read, the last good bundle stays in use. Without one, the trust domain has no
 * authorities.
 *
 * @throws {CertificateError} {SourceError} naming option, path and defect; `bundle_revoked` as `assembleMaterial`
 */
export function loadMaterial(
  { own }: FilePlan,
  files: LoadableFiles,
  { now, bundles }: LoadContext,
): Loaded<X509Material> {
  const parts = readOwn(own, files)
  const ownTrustDomain = findTrustDomain(parts.certificates)
  const planned = files.trust.kind === 'bundles' ? files.trust.files : new Map<string, PlannedFile>()
  const contents = new Map([...planned].map(([name, file]) => [name, readBundleFile(name, file, files)]))
  const explain = (name: string, error: CertificateError): CertificateError => {
    const file = planned.get(name)
    return file === undefined ? error : explainIn(file, error)
  }
  const read = bundles.read(contents, { own: ownTrustDomain, explain, now })
  const ownBundle = planned.get(ownTrustDomain ?? '')
  const sources = [...listOwn(own), ...(ownBundle === undefined ? planned.values() : [ownBundle])].slice(0, mostNamed)
  const material = inFiles(sources, () => assembleMaterial({ ...parts, bundles: read.bundles }, now))
  read.commit()
  return { material, refusals: read.refusals }
}

/** The maximum number of files that an error names. */
const mostNamed = 10

function readBundleFile(
  name: string,
  file: PlannedFile,
  files: LoadableFiles,
): Buffer | CertificateError | SourceError {
  const failure = files.failures.get(name)
  if (failure !== undefined) return failure
  try {
    return inFile(file, () => readAuthorities(file, files))
  } catch (error) {
    if (error instanceof CertificateError) return error
    throw error
  }
}

/**
 * Loads the material of a service of a CA without SPIFFE.
 *
 * @throws {CertificateError} naming option, path and defect
 */
export function loadSubjectMaterial(
  { own }: FilePlan,
  files: LoadableFiles,
  context: LoadContext,
): Loaded<SubjectMaterial> {
  const caFiles = [...files.trust.files.values()]
  context.cache.beginRound()
  const published = caFiles.flatMap((file) => inFile(file, () => splitCaFile(file, files, context)))
  const ca = inFiles(caFiles, () => selectCa(published, context))
  const parts = { ...readOwn(own, files), ca }
  const material = inFiles([...listOwn(own), ...caFiles], () => assembleSubjectMaterial(parts, context.now))
  return { material, refusals: [] }
}

function splitCaFile(file: PlannedFile, files: LoadableFiles, context: ReadContext): readonly PublishedCertificate[] {
  const published = splitCa(readAuthorities(file, files))
  // Each file must contain at least one readable certificate. Whether its certificates are usable is decided for all
  // files together.
  selectAuthorities('the CA', published, context)
  return published.map(({ place, der }) => publish(`${file.option} '${file.path}': ${place}`, der))
}

interface OwnParts {
  readonly key: KeyObject
  /** Leaf first. */
  readonly certificates: readonly Certificate[]
}

function readOwn(own: OwnPlan, files: LoadableFiles): OwnParts {
  if (own.kind === 'store') return inFile(own.keyStore, () => readKeyStore(own.keyStore, files))
  const key = inFile(own.key, () => {
    refuseKeyStore(own.key, bytesOf(own.key, files))
    return parsePrivateKey(bytesOf(own.key, files), passphraseOf(own.key, files))
  })
  const certificates = inFile(own.cert, () => {
    refuseKeyStore(own.cert, bytesOf(own.cert, files))
    return parseCertificates(bytesOf(own.cert, files))
  })
  return { key, certificates }
}

function readKeyStore(file: PlannedFile, files: LoadableFiles): OwnParts {
  const bytes = bytesOf(file, files)
  refuseJavaStore(bytes, file.path)
  if (!isKeyStore(bytes)) refuse('found no PKCS#12 store, expected one; for PEM or DER use key and cert')
  const { key, certificates } = files.decodeKeyStore(bytes, passphraseOf(file, files))
  if (key === undefined) return refuse('found a trust store, expected a key store with a private key and its chain')
  return { key: parsePrivateKey(key), certificates: parseCertificates(Buffer.concat(certificates)) }
}

function refuseKeyStore({ path }: PlannedFile, bytes: Buffer): void {
  refuseJavaStore(bytes, path)
  if (isKeyStore(bytes)) refuse('found a PKCS#12 store, expected PEM or DER; use keyStore instead of key and cert')
}

function refuse(message: string): never {
  throw new CertificateError('key_store_malformed', message)
}

/** Returns the certificates of a trust store, or the unchanged content of any other file. */
function readAuthorities(file: PlannedFile, files: LoadableFiles): Buffer {
  const bytes = bytesOf(file, files)
  refuseJavaStore(bytes, file.path)
  if (!isKeyStore(bytes)) return bytes
  return Buffer.concat(files.decodeKeyStore(bytes, passphraseOf(file, files)).certificates)
}

function bytesOf({ path }: { readonly path: string }, { bytes }: LoadableFiles): Buffer {
  return bytes.get(path) ?? Buffer.alloc(0)
}

function passphraseOf({ passphrase, passphraseFile }: PlannedFile, files: LoadableFiles): string | undefined {
  if (passphraseFile === undefined) return passphrase
  const text = bytesOf({ path: passphraseFile }, files).toString('utf8')
  if (text.includes('\0')) {
    throw new CertificateError('passphrase_wrong', 'found a passphrase in UTF-16, expected UTF-8')
  }
  // Editors add a byte order mark and a final line break, which are invisible.
  return text.replace(/^\uFEFF/, '').replace(/\r?\n$/, '')
}

function inFile<Value>(file: PlannedFile, read: () => Value): Value {
  return explain(read, (error) => explainIn(file, error))
}

function explainIn(file: PlannedFile, cause: CertificateError): CertificateError {
  const { option, path } = file
  const { code, message, value } = cause
  const remedy = code === 'passphrase_missing' || code === 'passphrase_wrong' ? `; ${adviseOnPassphrase(file)}` : ''
  const finding = message.startsWith(`${option}: `) ? message.slice(option.length + 2) : message
  return new CertificateError(code, `${option} '${path}': ${finding}${remedy}`, { value, cause })
}

function adviseOnPassphrase({ option, passphrase, passphraseFile }: PlannedFile): string {
  if (passphraseFile !== undefined) return `check '${passphraseFile}'`
  if (passphrase !== undefined) return `check ${option}.passphrase`
  const [, trustDomain] = /^bundles\[(.+)\]$/.exec(option) ?? []
  const encrypted = '{ path, passphraseFile }'
  return `write ${trustDomain === undefined ? `${option}: ${encrypted}` : `bundles: { '${trustDomain}': ${encrypted} }`}`
}

function inFiles<Value>(files: readonly PlannedFile[], read: () => Value): Value {
  const named = files.map(({ option, path }) => `${option} '${path}'`).join(', ')
  return explain(read, (cause) => {
    const { code, message, value } = cause
    return new CertificateError(code, `${message}; read from ${named}`, { value, cause })
  })
}

function explain<Value>(read: () => Value, write: (error: CertificateError) => CertificateError): Value {
  try {
    return read()
  } catch (error) {
    throw error instanceof CertificateError ? write(error) : error
  }
}
