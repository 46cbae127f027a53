import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from '@countersign/testkit'
import type { Rotation } from './rotation.ts'

/** The file names that cert-manager uses. */
export const files = { key: 'tls.key', cert: 'tls.crt', bundle: 'ca.crt' } as const

/**
 * Writes the first files. Each later set arrives as the kubelet delivers it: in a new folder, to which a symlink is
 * switched atomically.
 */
export async function createFileRotation(): Promise<Rotation> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-soak-'))
  const authority = await createAuthority('saas.example', { ttlSeconds: 86_400 })
  let signer = authority
  let count = 0
  const next = async (): Promise<void> => {
    if (count % 2 === 1) signer = await authority.intermediate({ name: `intermediate ${count}` })
    const svid = await signer.issue('spiffe://saas.example/ns/production/sa/billing')
    const generation = `..generation-${count}`
    await mkdir(join(folder, generation))
    await writeFile(join(folder, generation, files.key), svid.keyPem, { mode: 0o600 })
    await writeFile(join(folder, generation, files.cert), svid.certificatePem)
    await writeFile(join(folder, generation, files.bundle), authority.bundlePem)
    await symlink(generation, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    if (count > 1) await rm(join(folder, `..generation-${count - 2}`), { recursive: true })
    count += 1
  }
  await next()
  for (const file of Object.values(files)) await symlink(join('..data', file), join(folder, file))
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true })
  return { how: 'files', place: folder, authority, next, close }
}
