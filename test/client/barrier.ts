/** A gate that can be awaited until it opens. */
export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

/** Creates a closed gate. */
export function createBarrier(): Gate {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
