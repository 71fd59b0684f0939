/*
 * A bzImage whose kernel unpacks in a fraction of the time.
 *
 * Debian's kernel is packed with xz, which takes longer under emulation than
 * all the rest of its start.  This image keeps the real-mode part of the
 * original ("vmlinuz") and replaces the rest by the code below and the
 * kernel's own memory image, packed with lz4 -l ("kernel.lz4").  The kernel
 * is put where it was linked to run, so there is no address randomisation.
 *
 * Defined on the assembler's command line:
 *   SETUP    size of the real-mode part of vmlinuz
 *   KERNEL   physical address the kernel is linked to run at
 *   ABOVE    first address above all that the kernel uses when it starts
 * To be linked as flat binary with .text at ABOVE - SETUP.
 *
 * Sources: Documentation/x86/boot.rst (the header, the state at the entry) and
 * arch/x86/kernel/head_64.S (the state at the kernel's 64-bit entry) of Linux;
 * lz4_Block_format.md and, for the legacy frame, lz4_Frame_format.md of LZ4.
 */

        .set    LOADED, 0x100000        /* where boot loaders put a bzImage */
        .set    SELECTOR_CODE, 0x10     /* as Linux names them */
        .set    SELECTOR_DATA, 0x18
        .set    PAGE, 4096

        .text

/* The real-mode part, with a header that describes the new rest. */

        .incbin "vmlinuz", 0, 0x1f4
        .long   (image_end - image) / 16                /* 1f4 syssize */
        .incbin "vmlinuz", 0x1f8, 0x214 - 0x1f8
        .long   LOADED                                  /* 214 code32_start */
        .incbin "vmlinuz", 0x218, 0x234 - 0x218
        .byte   0                                       /* 234 relocatable_kernel */
        .byte   0                                       /* 235 min_alignment */
        .word   0                                       /* 236 xloadflags */
        .incbin "vmlinuz", 0x238, 0x248 - 0x238
        .long   0, 0                                    /* 248 payload */
        .incbin "vmlinuz", 0x250, 0x258 - 0x250
        .quad   LOADED                                  /* 258 pref_address */
        .long   ABOVE + (free_end - image) - LOADED     /* 260 init_size */
        .long   0                                       /* 264 handover_offset */
        .incbin "vmlinuz", 0x268, SETUP - 0x268

/*
 * Entered at LOADED in 32-bit protected mode, paging off, flat segments,
 * interrupts off, %esi = boot parameters.  Makes room for the kernel.
 */
        .code32
image:
        cld
        movl    %esi, %ebp
        movl    $LOADED, %esi
        movl    $image, %edi
        movl    $(image_end - image) / 4, %ecx
        rep movsl
        movl    $moved, %eax
        jmp     *%eax
moved:
        movl    $stack_end, %esp
        movl    $payload + 4, %esi              /* past the frame's magic */
        movl    $KERNEL, %edi

/* %esi = packed, %edi = unpacked.  A block: its size, then sequences. */
block:
        cmpl    $payload_end, %esi
        jae     unpacked
        lodsl
        leal    (%esi,%eax), %ebx               /* end of the block */

/* A sequence: literals to copy, then how far back to find how much more. */
sequence:
        movzbl  (%esi), %eax
        incl    %esi
        movl    %eax, %edx
        shrl    $4, %eax
        call    read_length
        rep movsb
        cmpl    %ebx, %esi
        jae     block                           /* the last one has only literals */

        movzwl  (%esi), %eax
        addl    $2, %esi
        pushl   %eax
        movl    %edx, %eax
        andl    $15, %eax
        call    read_length
        addl    $4, %ecx
        popl    %eax
        movl    %esi, %edx
        movl    %edi, %esi
        subl    %eax, %esi
        cmpl    $4, %eax
        jb      1f                              /* overlaps within a word */
        movl    %ecx, %eax
        shrl    $2, %ecx
        rep movsl
        movl    %eax, %ecx
        andl    $3, %ecx
1:      rep movsb
        movl    %edx, %esi
        jmp     sequence

/* %ecx = the length whose first four bits are in %eax; the rest is at %esi. */
read_length:
        movl    %eax, %ecx
        cmpl    $15, %eax
        jne     2f
1:      movzbl  (%esi), %eax
        incl    %esi
        addl    %eax, %ecx
        cmpl    $255, %eax
        je      1b
2:      ret

/* Enter long mode with the first 4 GB mapped to themselves. */
unpacked:
        xorl    %eax, %eax
        movl    $tables, %edi
        movl    $6 * PAGE / 4, %ecx
        rep stosl

        movl    $tables + PAGE + 7, tables              /* present, writable, user */
        movl    $tables + PAGE, %edi
        movl    $tables + 2 * PAGE + 7, %eax
        movl    $4, %ecx
1:      movl    %eax, (%edi)
        addl    $PAGE, %eax
        addl    $8, %edi
        loop    1b

        movl    $tables + 2 * PAGE, %edi
        movl    $0x83, %eax                             /* present, writable, 2 MB */
        movl    $4 * 512, %ecx
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    1b

        movl    %cr4, %eax
        orl     $0x20, %eax                             /* PAE */
        movl    %eax, %cr4
        movl    $tables, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx                       /* EFER */
        rdmsr
        orl     $0x100, %eax                            /* LME */
        wrmsr
        lgdt    gdt_pointer
        movl    $0x80000001, %eax                       /* PG, PE */
        movl    %eax, %cr0
        ljmp    $SELECTOR_CODE, $long_mode

        .code64
long_mode:
        movl    $SELECTOR_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %ebp, %esi
        movl    $KERNEL, %eax
        jmp     *%rax

        .balign 8
gdt:    .quad   0, 0
        .quad   0x00af9b000000ffff                      /* 64-bit code */
        .quad   0x00cf93000000ffff                      /* data */
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt

payload:
        .incbin "kernel.lz4"
payload_end:
        .balign 16
image_end:

/* Memory that the image does not hold. */
        .set    stack_end, image_end + PAGE
        .set    tables, (ABOVE + (stack_end - image) + PAGE - 1) / PAGE * PAGE
        .set    free_end, stack_end + 7 * PAGE
