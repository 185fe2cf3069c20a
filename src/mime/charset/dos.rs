//! Code pages of DOS, which `encoding_rs` does not have: bytes from 0x80 on. Old mail programs still name them.

/// The first PC.
pub(super) const CODE_PAGE_437: &str = "\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ\
    áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
    αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{A0}";
/// Western Europe.
pub(super) const CODE_PAGE_850: &str = "\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒ\
    áíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
    └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀\
    ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{AD}±‗¾¶§÷¸°¨·¹³²■\u{A0}";
/// Central Europe.
pub(super) const CODE_PAGE_852: &str = "\
    ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×č\
    áíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐\
    └┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀\
    ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{AD}˝˛ˇ˘§÷¸°¨˙űŘř■\u{A0}";
/// Western Europe, with the euro.
pub(super) const CODE_PAGE_858: &str = "\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒ\
    áíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
    └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈ€ÍÎÏ┘┌█▄¦Ì▀\
    ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{AD}±‗¾¶§÷¸°¨·¹³²■\u{A0}";

/// Appends what `input` says in a code page.
pub(super) fn decode(code_page: &'static str, input: &[u8], output: &mut String) {
    output.extend(input.iter().map(|byte| {
        let position = usize::from(*byte).checked_sub(0x80);
        let beyond_ascii = position.and_then(|position| code_page.chars().nth(position));
        beyond_ascii.unwrap_or(char::from(*byte))
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_page_has_a_character_for_every_byte_from_0x80_on() {
        for code_page in [CODE_PAGE_437, CODE_PAGE_850, CODE_PAGE_852, CODE_PAGE_858] {
            assert_eq!(code_page.chars().count(), 128);
            assert!(code_page.starts_with(['Ç']) && code_page.ends_with("■\u{A0}"));
        }
        let mut output = String::new();
        decode(CODE_PAGE_850, b"gr\x81n \xD5", &mut output);
        decode(CODE_PAGE_858, b"\xD5", &mut output);
        assert_eq!(output, "grün ı€");
    }
}
