import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sections } from './issuer-sections.ts'

/*
 * Certificates as the products that issue them to clients fill them in, made by the openssl command.
 */

/** A CA by the name of its section below, with the intermediate that issues for it, if any. */
export type CaName = keyof typeof authorities

/** A leaf of an issuer. */
export interface Profile {
  readonly by: CaName
  /** A section below. */
  readonly section: string
  readonly key: 'ec' | 'rsa' | 'ed25519'
  readonly subject: string
  /** Additional arguments of `openssl x509`. */
  readonly options?: readonly string[]
}

/** Paths of a key and of a chain. */
export interface Issued {
  readonly key: string
  readonly cert: string
}

const authorities = {
  step_root: { issuing: 'step_intermediate', subject: '/O=Example/CN=Smallstep Root CA' },
  vault_root: { subject: '/CN=internal' },
  easyrsa_ca: { subject: '/CN=Easy-RSA CA' },
  aws_root: { subject: '/C=DE/O=Example/OU=Security/CN=Root CA' },
  debian_v3_ca: { subject: '/C=AU/ST=Some-State/O=Internet Widgits Pty Ltd' },
  cert_manager_ca: { subject: '/CN=my-selfsigned-ca' },
  cfssl_ca: { issuing: 'cfssl_intermediate', subject: '/C=US/L=San Francisco/O=Example/CN=Example CA' },
  adcs_ca: { issuing: 'adcs_issuing', subject: '/DC=example/DC=corp/CN=corp-ROOT-CA' },
} as const satisfies Record<string, { readonly issuing?: string; readonly subject: string }>

/** The names of all CAs. */
const caNames: readonly CaName[] = Object.keys(authorities).flatMap((name) => (isCaName(name) ? [name] : []))

function isCaName(name: string): name is CaName {
  return Object.hasOwn(authorities, name)
}

const run = promisify(execFile)

/** Issues certificates into a folder. */
export class Issuers {
  readonly #folder: string
  readonly #requests = new Map<string, Promise<string>>()
  #serial = 1

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Creates keys and all CAs. */
  static async create(folder: string): Promise<Issuers> {
    const issuers = new Issuers(folder)
    await writeFile(join(folder, 'openssl.cnf'), sections)
    await Promise.all([
      issuers.#openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'ec.key'),
      issuers.#openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'issuing.key'),
      issuers.#openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'rsa.key'),
      issuers.#openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'ca.key'),
      issuers.#openssl('genpkey', '-algorithm', 'ED25519', '-out', 'ed25519.key'),
    ])
    await Promise.all(caNames.map((name) => issuers.#createCa(name)))
    return issuers
  }

  /** The paths of all roots. */
  get roots(): readonly string[] {
    return caNames.map((name) => join(this.#folder, `${name}.crt`))
  }

  /** The paths of the key and the chain of a new leaf. */
  async issue({ by, section, key, subject, options = [] }: Profile): Promise<Issued> {
    const { issuing } = { issuing: undefined, ...authorities[by] }
    const name = `${section}-${(this.#serial += 1)}`
    await this.#sign({ name, section, request: await this.#request(key, subject), by: issuing ?? by, options })
    const chain = [name, ...(issuing === undefined ? [] : [issuing])]
    const texts = await Promise.all(chain.map((part) => readFile(join(this.#folder, `${part}.crt`), 'utf8')))
    const cert = join(this.#folder, `${name}.chain`)
    await writeFile(cert, texts.join(''))
    return { key: join(this.#folder, `${key}.key`), cert }
  }

  async #createCa(name: CaName): Promise<void> {
    const { issuing, subject } = { issuing: undefined, ...authorities[name] }
    const request = ['req', '-x509', '-new', '-config', 'openssl.cnf', '-key', 'ca.key', '-sha256', '-days', '30']
    await this.#openssl(...request, '-subj', subject, '-extensions', name, '-out', `${name}.crt`)
    if (issuing === undefined) return
    const intermediate = await this.#request('issuing', `/O=Example/CN=${issuing}`)
    // AD CS with AlternateSignatureAlgorithm=1.
    const options = name === 'adcs_ca' ? pss : []
    await this.#sign({ name: issuing, section: issuing, request: intermediate, by: name, options })
  }

  #request(key: string, subject: string): Promise<string> {
    const id = `${key} ${subject}`
    const known = this.#requests.get(id)
    if (known !== undefined) return known
    const file = `request-${this.#requests.size}.csr`
    const request = ['req', '-new', '-config', 'openssl.cnf', '-key', `${key}.key`, '-subj', subject, '-out', file]
    const made = this.#openssl(...request).then(() => file)
    this.#requests.set(id, made)
    return made
  }

  async #sign({ name, section, request, by, options }: Signing): Promise<void> {
    const key = by in authorities ? 'ca.key' : 'issuing.key'
    const signer = ['-CA', `${by}.crt`, '-CAkey', key, '-set_serial', String((this.#serial += 1))]
    const filling = ['-sha256', '-days', '1', '-extfile', 'openssl.cnf', '-extensions', section]
    await this.#openssl('x509', '-req', '-in', request, ...signer, ...filling, ...options, '-out', `${name}.crt`)
  }

  async #openssl(...options: readonly string[]): Promise<void> {
    await run('openssl', options, { cwd: this.#folder, timeout: 60_000 })
  }
}

interface Signing {
  readonly name: string
  readonly section: string
  readonly request: string
  readonly by: string
  readonly options: readonly string[]
}

/** RSASSA-PSS, for issuers that sign with an RSA key. */
export const pss: readonly string[] = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest']
