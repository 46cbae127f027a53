import { lstat, readlink } from 'node:fs/promises'
import { dirname, isAbsolute, join, parse, sep } from 'node:path'

/** A directory entry that determines where a path leads. */
export interface Hop {
  /** The real path of the folder, without symbolic links. */
  readonly folder: string
  readonly name: string
}

/**
 * Resolves an absolute path and returns the name of each symbolic link along it and of the file itself. If the path is
 * incomplete, the last hop is the missing name. Kubernetes swaps the link `..data` and does not change the folder that
 * contains the file, so watching only that folder would miss the change.
 */
export async function traceLinks(path: string): Promise<readonly Hop[]> {
  const hops: Hop[] = []
  let folder = parse(path).root
  let rest = split(path)
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const step = await readStep(join(folder, name))
    if (step.kind === 'link' && hops.length < mostLinks) {
      hops.push({ folder, name })
      rest = [...split(step.target), ...rest]
      if (isAbsolute(step.target)) folder = parse(step.target).root
    } else if (step.kind === 'entry' && rest.length > 0) {
      folder = name === '..' ? dirname(folder) : join(folder, name)
    } else {
      hops.push({ folder, name })
      break
    }
  }
  return hops
}

/** The limit of Linux. It also ends a cycle of links. */
const mostLinks = 40

type Step = { readonly kind: 'link'; readonly target: string } | { readonly kind: 'entry' | 'missing' }

async function readStep(path: string): Promise<Step> {
  try {
    const status = await lstat(path)
    return status.isSymbolicLink() ? { kind: 'link', target: await readlink(path) } : { kind: 'entry' }
  } catch {
    return { kind: 'missing' }
  }
}

function split(path: string): string[] {
  return path
    .slice(parse(path).root.length)
    .split(sep === '\\' ? /[\\/]/ : sep)
    .filter((part) => part !== '' && part !== '.')
}
