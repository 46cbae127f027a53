import type { KeyObject } from 'node:crypto'
import type { Certificate } from '../../certificate/certificate.ts'
import { parseCertificates, refuseJavaStore } from '../../certificate/pem.ts'
import { CertificateError } from '../../errors.ts'
import { X509Bundle } from '../../trust/bundle.ts'
import { CaBundle } from '../../trust/ca-bundle.ts'
import type { SubjectMaterial, X509Material } from '../../trust/x509-source.ts'
import { assembleMaterial } from '../create-material.ts'
import { assembleSubjectMaterial } from '../create-subject-material.ts'
import { isKeyStore } from '../key-store/is-key-store.ts'
import type { KeyStore } from '../key-store/key-store.ts'
import { parsePrivateKey } from '../private-key.ts'
import type { FilePlan, OwnPlan, PlannedFile } from './file-plan.ts'
import { listOwn, type ReadFiles } from './read-files.ts'

/** Files that were read, and what opens the PKCS#12 stores among them: its library is loaded only where there are any. */
export interface LoadableFiles extends ReadFiles {
  readonly decodeKeyStore: (bytes: Uint8Array, passphrase: string | undefined) => KeyStore
}

/** When files are loaded, and what was made of them before. */
export interface LoadContext<Material> {
  /** Epoch milliseconds. */
  readonly now: number
  readonly last: Material | undefined
}

/** What was made of files, and what of them was passed over because it is broken. */
export interface Loaded<Material> {
  readonly material: Material
  readonly refusals: readonly CertificateError[]
}

/**
 * Makes X.509 material of files of SPIFFE, valid at `now` (epoch milliseconds).
 *
 * A bundle that is broken is left as it was in `last`: a partner's file must not keep our own certificate from being
 * renewed.
 *
 * @throws {CertificateError} naming option, path and what is wrong; `bundle_revoked` as `assembleMaterial`
 */
export function loadMaterial(
  { own }: FilePlan,
  files: LoadableFiles,
  { now, last }: LoadContext<X509Material>,
): Loaded<X509Material> {
  const bundles = new Map<string, X509Bundle>()
  const refusals: CertificateError[] = []
  if (files.trust.kind === 'bundles') {
    for (const [trustDomain, file] of files.trust.files) {
      try {
        bundles.set(
          trustDomain,
          inFile(file, () => X509Bundle.parse(trustDomain, readAuthorities(file, files))),
        )
      } catch (error) {
        const before = last?.bundles.get(trustDomain)
        if (before === undefined || !(error instanceof CertificateError)) throw error
        refusals.push(error)
        bundles.set(trustDomain, before)
      }
    }
  }
  const parts = { ...readOwn(own, files), bundles }
  const material = inFiles([...listOwn(own), ...files.trust.files.values()], () => assembleMaterial(parts, now))
  return { material, refusals }
}

/**
 * The same for files of a CA without SPIFFE.
 *
 * @throws {CertificateError} naming option, path and what is wrong
 */
export function loadSubjectMaterial(
  { own }: FilePlan,
  files: LoadableFiles,
  { now }: LoadContext<SubjectMaterial>,
): Loaded<SubjectMaterial> {
  const caFiles = [...files.trust.files.values()]
  // Each by itself first, for errors that name the file.
  const authorities = caFiles.flatMap((file) =>
    inFile(file, () => CaBundle.parse(readAuthorities(file, files))).authorities.map(({ der }) => der),
  )
  const ca = inFiles(caFiles, () => CaBundle.parse(Buffer.concat(authorities)))
  const parts = { ...readOwn(own, files), ca }
  const material = inFiles([...listOwn(own), ...caFiles], () => assembleSubjectMaterial(parts, now))
  return { material, refusals: [] }
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
  if (!isKeyStore(bytes)) refuse('found no PKCS#12 store, expected one; for PEM and DER write key and cert')
  const { key, certificates } = files.decodeKeyStore(bytes, passphraseOf(file, files))
  if (key === undefined) return refuse('found a trust store, expected a key store with a private key and its chain')
  return { key: parsePrivateKey(key), certificates: parseCertificates(Buffer.concat(certificates)) }
}

function refuseKeyStore({ path }: PlannedFile, bytes: Buffer): void {
  refuseJavaStore(bytes, path)
  if (isKeyStore(bytes)) refuse('found a PKCS#12 store, expected PEM or DER; write keyStore in place of key and cert')
}

function refuse(message: string): never {
  throw new CertificateError('key_store_malformed', message)
}

/** What bundles are made of: a trust store gives its certificates, anything else is read as it is. */
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
  // Editors write a byte order mark and a last line break, and nobody sees either.
  return text.replace(/^\uFEFF/, '').replace(/\r?\n$/, '')
}

function inFile<Value>(file: PlannedFile, read: () => Value): Value {
  const { option, path } = file
  return explain(read, (message, code) => {
    const remedy = code === 'passphrase_missing' || code === 'passphrase_wrong' ? `; ${adviseOnPassphrase(file)}` : ''
    const finding = message.startsWith(`${option}: `) ? message.slice(option.length + 2) : message
    return `${option} '${path}': ${finding}${remedy}`
  })
}

function adviseOnPassphrase({ option, passphrase, passphraseFile }: PlannedFile): string {
  if (passphraseFile !== undefined) return `check '${passphraseFile}'`
  if (passphrase !== undefined) return `check ${option}.passphrase`
  const [, trustDomain] = /^bundles\[(.+)\]$/.exec(option) ?? []
  const encrypted = '{ path, passphraseFile }'
  return `write ${trustDomain === undefined ? `${option}: ${encrypted}` : `bundles: { '${trustDomain}': ${encrypted} }`}`
}

function inFiles<Value>(files: readonly PlannedFile[], read: () => Value): Value {
  return explain(
    read,
    (message) => `${message}; read from ${files.map(({ option, path }) => `${option} '${path}'`).join(', ')}`,
  )
}

function explain<Value>(read: () => Value, write: (message: string, code: string) => string): Value {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    const { code, message, value } = error
    throw new CertificateError(code, write(message, code), { value, cause: error })
  }
}
