import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileSource } from '@countersign/core'
import { type Authorities, issueFor, issueService } from './callers.ts'
import { awaitUpdates, type OnRotation, rotateUnderCalls, type RotationResult } from './rotation.ts'

/** Runs both services on files that are replaced four times. */
export async function rotateByFiles(
  authorities: Authorities,
  onRotation: OnRotation,
): Promise<readonly RotationResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-'))
  try {
    await writeIdentity(folder, authorities)
    await writeFile(join(folder, 'bundle.pem'), authorities.ours.bundlePem)
    await using source = await fileSource({
      key: join(folder, 'svid.key'),
      cert: join(folder, 'svid.pem'),
      bundles: { 'saas.example': join(folder, 'bundle.pem') },
    })
    const credentials = { svid: await issueFor('core-api', authorities), ca: authorities.ours.bundlePem }
    const change = async (shown: () => Promise<void>): Promise<void> => {
      for (let count = 0; count < 4; count += 1) {
        const updated = awaitUpdates(source, 1)
        await writeIdentity(folder, authorities)
        await updated
        await shown()
      }
    }
    return await rotateUnderCalls({ how: 'from files', source, credentials: () => credentials, change }, onRotation)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

// Each file is written under another name and then renamed, so that no partial file is read. Between the two renames
// key and certificate do not match: the source waits for the second.
async function writeIdentity(folder: string, authorities: Authorities): Promise<void> {
  const { keyPem, certificatePem } = await issueService(authorities)
  const files = { 'svid.key': keyPem, 'svid.pem': certificatePem }
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, `${file}.new`), text, { mode: 0o600 })
  for (const file of Object.keys(files)) await rename(join(folder, `${file}.new`), join(folder, file))
}
