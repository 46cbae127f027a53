import { stat } from 'node:fs/promises'

/**
 * Returns a warning with its fix if every user on this machine can read a private key, otherwise undefined. Windows
 * does not have such file modes.
 */
export async function findOpenMode(option: string, path: string): Promise<string | undefined> {
  if (process.platform === 'win32') return undefined
  const mode = await stat(path).then(
    (status) => status.mode & 0o777,
    () => 0,
  )
  if ((mode & othersRead) === 0) return undefined
  const found = `${option} '${path}': found the mode 0${mode.toString(8)}, which lets every user of this machine read the private key`
  return `${found}; expected 0400 or 0600; use chmod, or set defaultMode: 0400 on a Kubernetes secret volume`
}

const othersRead = 0o004
