import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Authorities, type CallerName, issueFor } from './callers.ts'

/**
 * Writes the bundle and a caller's certificate and key into a folder, the key readable only for the current user.
 * Returns the curl options for calling as that caller.
 */
export async function writeCurlFiles(folder: string, caller: CallerName, authorities: Authorities): Promise<string> {
  const bundle = join(folder, 'bundle.pem')
  writeFileSync(bundle, authorities.ours.bundlePem)
  const svid = await issueFor(caller, authorities)
  if (svid === null) return `--cacert ${quote(bundle)}`
  const file = join(folder, caller.replaceAll(/[^a-z-]+/g, '-'))
  writeFileSync(`${file}.pem`, svid.certificatePem)
  writeFileSync(`${file}.key`, svid.keyPem, { mode: 0o600 })
  return `--cacert ${quote(bundle)} --cert ${quote(`${file}.pem`)} --key ${quote(`${file}.key`)}`
}

/** Most temporary folders need no quotes, and the commands are easier to read without them. */
function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `"${path}"`
}
