# make bench SUITE=iccv2025 DATASET=camus CAMUS_ROOT=PATH           (needs a CUDA device; paper-size models at 256 px)
# The GDKVM paper's comparison (ICCV 2025, Table 1) under one protocol: ten frames of 256 px, the first and the last frame
# supervised and scored, no first mask for anybody. Its printed figures stand beside in a block of their own, never ranked.
# Of its nine methods GDKVM and Cutie are here; XMem++ is an editing tool on XMem's network, which stands for it. VideoMamba,
# Vision LSTM, PKEchoNet, DSA, MemSAM and SimLVSeg are not here. U-Net, TransUNet, DeepLabV3, LiVOS and STM are our additions.
_base_ = ["./paper.py"]
suite = dict(
    recipe=dict(test_clip_length=10),  # the paper resamples every clip to ten frames
    models=["gdkvm", "cutie", "xmem", "livos", "stm", "unet", "unet_filtered", "transunet", "deeplabv3"],
)
