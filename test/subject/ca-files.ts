import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commonName, fileSource, type SubjectIdentity, type SubjectSource } from '@countersign/core'
import {
  type Authority,
  type AuthorityOptions,
  createAuthority,
  type IssueOptions,
  type TestSvid,
} from '@countersign/testkit'

/*
 * A service of a CA without SPIFFE, its key, certificate and CA in files.
 */

/** A CA that writes no SPIFFE ID, as in tutorials. */
export function createCa(name: string, options: AuthorityOptions = {}): Promise<Authority> {
  return createAuthority('internal.example', { subject: { O: 'Example', CN: name }, spiffeId: false, ...options })
}

export const ca: Authority = await createCa('Example CA')

/** The service map of the article on Spring Security. */
export const identity: SubjectIdentity = commonName({
  authorities: {
    'core-api': ['SERVICE_CORE_API'],
    'billing-service': ['SERVICE_BILLING'],
    'notification-service': ['SERVICE_NOTIFICATION'],
    'analytics-service': ['SERVICE_ANALYTICS'],
  },
})

/** A certificate with this common name, without other names and key usage. */
export function issueNamed(name: string, options: IssueOptions = {}, by: Authority = ca): Promise<TestSvid> {
  return by.issue(`spiffe://internal.example/unused`, {
    uris: [],
    subject: { O: 'Example', CN: name },
    keyUsages: null,
    ...options,
  })
}

/** A source of files that a test replaces. */
export interface CaFiles extends AsyncDisposable {
  readonly source: SubjectSource
  readonly own: TestSvid
  /** Replaces the content of one file, and waits until the source has loaded it. */
  replace(file: 'cert' | 'ca', content: string): Promise<void>
}

/** Writes the files of billing-service and opens a source for them. */
export async function openFiles(own?: TestSvid): Promise<CaFiles> {
  const held = own ?? (await issueNamed('billing-service'))
  const folder = mkdtempSync(join(tmpdir(), 'countersign-ca-'))
  const paths = { key: join(folder, 'tls.key'), cert: join(folder, 'tls.crt'), ca: join(folder, 'ca.crt') }
  writeFileSync(paths.key, held.keyPem, { mode: 0o600 })
  writeFileSync(paths.cert, held.certificatePem)
  writeFileSync(paths.ca, ca.bundlePem)
  const source = await fileSource({ ...paths, pollMs: 1000 })
  return {
    source,
    own: held,
    replace: async (file, content) => {
      const taken = new Promise<void>((resolve) => {
        const stop = source.onUpdate(() => {
          stop()
          resolve()
        })
      })
      writeFileSync(`${paths[file]}.new`, content)
      renameSync(`${paths[file]}.new`, paths[file])
      await taken
    },
    [Symbol.asyncDispose]: async () => {
      await source.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
