import { lstat, readlink } from 'node:fs/promises'
import { dirname, isAbsolute, join, parse, sep } from 'node:path'

/** A name in a folder on which it depends what a path leads to. */
export interface Hop {
  /** The real path of the folder: no part of it is a symbolic link. */
  readonly folder: string
  readonly name: string
}

/**
 * Follows an absolute path to its file and gives the name of each symbolic link on the way and of the file itself. Where
 * the way ends early, the last hop is the name that is missing. Kubernetes swaps the link `..data` and leaves the folder
 * of the file that it led to untouched: whoever watches that folder alone hears nothing.
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

/** As Linux has it; a circle of links ends there too. */
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
