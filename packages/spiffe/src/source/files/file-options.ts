/** The path of a file. If the file is encrypted, with its passphrase as text or in a separate file, but not both. */
export type FileLocation = string | EncryptedFileLocation

/** The path of a file that needs a passphrase. */
interface EncryptedFileLocation {
  /** Relative to the working directory at startup. */
  readonly path: string
  /** Default none. Empty text is also a passphrase: some programs write PKCS#12 stores with it. */
  readonly passphrase?: string | undefined
  /** A file with the passphrase, read each time together with the file itself. One line break at its end is removed. */
  readonly passphraseFile?: string | undefined
}

/** The files of a SPIFFE service: its own key and chain, and the bundles of the trust domains. */
export type FileSourceOptions = OwnFileOptions & BundleFileOptions & PollOptions

/** The files of a service of a CA without SPIFFE: its own key and chain, and the CA. */
export type SubjectFileSourceOptions = OwnFileOptions & CaFileOptions & PollOptions

/** This workload's key and chain: two files (or the same file twice), or one PKCS#12 key store. */
type OwnFileOptions = KeyPairFileOptions | KeyStoreFileOptions

/** Key and chain in separate files, as most tools write them. */
interface KeyPairFileOptions {
  /** PEM, or PKCS#8 DER. */
  readonly key: FileLocation
  /** PEM, or concatenated DER; leaf first. */
  readonly cert: string
  readonly keyStore?: undefined
}

/** Key and chain in a key store, as Java services use it. */
interface KeyStoreFileOptions {
  /** PKCS#12 with one private key and its chain. */
  readonly keyStore: FileLocation
  readonly key?: undefined
  readonly cert?: undefined
}

/** The trusted authorities, by trust domain. */
interface BundleFileOptions {
  /**
   * One file for each trust domain: PEM, concatenated DER, a SPIFFE bundle document or a PKCS#12 trust store,
   * recognized by its content. Or a folder of files named `<trust domain>.pem`, `.crt`, `.json` or `.p12`. You can add
   * and remove files in the folder at any time; files with other names are ignored.
   */
  readonly bundles: string | Readonly<Record<string, FileLocation>>
  readonly ca?: undefined
}

/** The trusted authorities without SPIFFE. */
interface CaFileOptions {
  /** PEM, concatenated DER or a PKCS#12 trust store. With several files, the authorities of all of them are trusted. */
  readonly ca: FileLocation | readonly FileLocation[]
  readonly bundles?: undefined
}

/** How often the files are polled. */
interface PollOptions {
  /**
   * The interval in milliseconds after which the files are read again even if the operating system reports no change.
   * At least 1000. Default 30,000, because network file systems do not report changes. While watching fails, the
   * interval is 1000.
   */
  readonly pollMs?: number | undefined
}
