/** Where a file is; with its passphrase where it is encrypted, given here or in a file of its own, not both. */
export type FileLocation = string | EncryptedFileLocation

/** Where a file is that needs a passphrase. */
interface EncryptedFileLocation {
  /** Relative to the working directory at the start. */
  readonly path: string
  /** Default none. Empty text is a passphrase too: some programs write PKCS#12 stores with it. */
  readonly passphrase?: string | undefined
  /** A file that holds the passphrase, read each time with the file itself; one line break at its end is cut off. */
  readonly passphraseFile?: string | undefined
}

/** The files of a SPIFFE service: its own key and chain, and the bundles of the trust domains. */
export type FileSourceOptions = OwnFileOptions & BundleFileOptions & PollOptions

/** The files of a service of a CA without SPIFFE: its own key and chain, and the CA. */
export type SubjectFileSourceOptions = OwnFileOptions & CaFileOptions & PollOptions

/** This workload's key and chain: two files (or the same one twice), or one PKCS#12 key store. */
type OwnFileOptions = KeyPairFileOptions | KeyStoreFileOptions

/** Key and chain as they are usually delivered. */
interface KeyPairFileOptions {
  /** PEM, or PKCS#8 DER. */
  readonly key: FileLocation
  /** PEM, or concatenated DER; leaf first. */
  readonly cert: string
  readonly keyStore?: undefined
}

/** Key and chain as Java services have them. */
interface KeyStoreFileOptions {
  /** PKCS#12 with one private key and its chain. */
  readonly keyStore: FileLocation
  readonly key?: undefined
  readonly cert?: undefined
}

/** Whom to trust, by trust domain. */
interface BundleFileOptions {
  /**
   * One file for each trust domain: PEM, concatenated DER, a SPIFFE bundle document or a PKCS#12 trust store, told
   * apart by what is in it. Or a folder with files named `<trust domain>.pem`, `.crt`, `.json` or `.p12`, in which
   * files may come and go; what is named otherwise is passed over.
   */
  readonly bundles: string | Readonly<Record<string, FileLocation>>
  readonly ca?: undefined
}

/** Whom to trust without SPIFFE. */
interface CaFileOptions {
  /** PEM, concatenated DER or a PKCS#12 trust store; of several files all authorities count. */
  readonly ca: FileLocation | readonly FileLocation[]
  readonly bundles?: undefined
}

/** How the files are watched. */
interface PollOptions {
  /**
   * Milliseconds after which the files are read again whether or not the operating system reported a change, from 1000
   * on. Default 30,000: changes on network file systems are reported by nobody. While watching fails it is 1000.
   */
  readonly pollMs?: number | undefined
}
