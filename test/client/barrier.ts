/** Something that is waited for until it is opened. */
export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

/** Creates a gate that is closed. */
export function createBarrier(): Gate {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
